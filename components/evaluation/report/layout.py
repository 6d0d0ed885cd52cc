"""How the pages of a model look."""

STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--muted:#57606a;--line:#d8dee4;--right:#1a7f37;--wrong:#b35900}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:var(--ink);background:#fff}
h1{margin-bottom:0}h2{margin-top:2.5rem}h3{margin:1.2rem 0 .3rem}.muted{color:var(--muted);font-weight:normal}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--line)}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}td.big{font-weight:600}
.row{display:flex;gap:.6rem;flex-wrap:wrap;align-items:flex-start;padding:.4rem 0;border-bottom:1px solid var(--line)}
.row>b{flex:0 0 11rem}.row img{width:56px;height:56px;object-fit:contain;background:#fff;border:3px solid var(--line);border-radius:6px}
img.right{border-color:var(--right)!important}img.wrong{border-color:var(--wrong)!important}
figure{margin:0;width:8.5rem;font-size:.78rem;line-height:1.3;overflow-wrap:anywhere}svg{width:100%;height:auto}
svg text{font-size:12px;fill:var(--muted)}.axis{fill:none;stroke:var(--line)}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--muted:#9198a1;--line:#30363d}body{background:#0d1117}}
"""
