"""How the pages of a model look: one file without script or network, light and dark, on a phone and by keyboard.

A table that is wider than the screen scrolls within its own frame, which Tab reaches; the page itself never does.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass

STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--muted:#57606a;--line:#d8dee4;--faint:#f3f5f7;--link:#0b57d0;--blue:#1f6feb;
--right:#1a7f37;--wrong:#b35900;--chance:#b35900;--h1:#eaf2ff;--h2:#cfe1ff;--h3:#a9caff;--h4:#86b4ff;
--k0:#1f6feb;--k1:#c2410c;--k2:#1a7f37;--k3:#8250df;--k4:#bf3989;--k5:#0e7490;--k6:#7d6608;--k7:#57606a}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;max-width:68rem;margin:2rem auto;padding:0 1rem;color:var(--ink);background:#fff;overflow-wrap:break-word}
h1{margin:.2rem 0}h2{margin:2.5rem 0 .4rem}h3{margin:1.2rem 0 .3rem}.muted{color:var(--muted);font-weight:normal}h2 .muted{font-size:1rem}
a{color:var(--link)}:focus-visible{outline:3px solid var(--blue);outline-offset:2px}
.skip{position:absolute;left:-99rem}.skip:focus{position:static}
nav ul{display:flex;flex-wrap:wrap;gap:.2rem 1rem;padding:0;margin:.8rem 0;list-style:none}nav a{display:inline-block;padding:.3rem 0}
.scroll{overflow-x:auto;margin:.3rem 0}
table{border-collapse:collapse;min-width:100%}caption{text-align:left;color:var(--muted);padding:.2rem 0}
table{font-size:.92rem}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}tbody th{font-weight:normal}th.long{min-width:15rem}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}.big{font-weight:600}
.row{display:flex;gap:.6rem;flex-wrap:wrap;align-items:flex-start;padding:.4rem 0;border-bottom:1px solid var(--line)}
.row>b{flex:0 0 11rem}.row img{width:56px;height:56px;object-fit:contain;background:#fff;border:3px solid var(--line);border-radius:6px}
.row img.right{border-color:var(--right)}.row img.wrong{border:3px dashed var(--wrong)}
figure{margin:0;width:8.5rem;font-size:.78rem;line-height:1.3;overflow-wrap:anywhere}figure.wide{width:100%;max-width:40rem}
svg{display:block;width:100%;height:auto;max-width:40rem}svg text{font-size:13px;fill:var(--muted)}
.axis{fill:none;stroke:var(--line)}.line{fill:none;stroke:var(--blue);stroke-width:2}.dot{fill:var(--blue)}
svg.bar{width:8rem;min-width:8rem;height:1.2rem}.span{stroke:var(--blue);stroke-width:4;opacity:.45}.chance{stroke:var(--chance);stroke-width:2}
.base{stroke:var(--muted);stroke-width:2;stroke-dasharray:2 2}.whole{stroke:var(--ink);stroke-width:1.5;stroke-dasharray:4 2}
.h1{background:var(--h1)}.h2{background:var(--h2)}.h3{background:var(--h3)}.h4{background:var(--h4)}
.mark{fill:var(--k);stroke:var(--k);stroke-width:1.5}.mark.text{fill:none}svg.key{display:inline-block;width:1rem;height:1rem;vertical-align:-.15rem}
.k0{--k:var(--k0)}.k1{--k:var(--k1)}.k2{--k:var(--k2)}.k3{--k:var(--k3)}.k4{--k:var(--k4)}.k5{--k:var(--k5)}.k6{--k:var(--k6)}.k7{--k:var(--k7)}
ul.legend{display:flex;flex-wrap:wrap;gap:.2rem 1rem;padding:0;list-style:none}
pre{background:var(--faint);padding:.7rem;border-radius:6px;margin:0;width:max-content;min-width:100%}code{overflow-wrap:anywhere}pre code{overflow-wrap:normal}
summary{cursor:pointer;padding:.3rem 0}
@media(max-width:40rem){svg text{font-size:18px}}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--muted:#9198a1;--line:#30363d;--faint:#161b22;--link:#7ab7ff;--blue:#4d9bff;
--right:#3fb950;--wrong:#e38b3a;--chance:#e38b3a;--h1:#11203a;--h2:#16305a;--h3:#1d417c;--h4:#2553a0;
--k0:#4d9bff;--k1:#ff8f5a;--k2:#3fb950;--k3:#b78cff;--k4:#ff7ac0;--k5:#36c5d8;--k6:#d9b83a;--k7:#9198a1}body{background:#0d1117}}
"""
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of a page.

    Args:
        anchor: its id, by which the page's own list of contents leads to it.
        title: of plain text.
        body: HTML; a section without any is left out.
        aside: plain text behind the title.
    """

    anchor: str
    title: str
    body: str
    aside: str = ""


def document(title: str, about: str, sections: Sequence[Section]) -> str:
    """Return a whole page: the same bytes for the same arguments.

    Args:
        title: of plain text.
        about: HTML below the title.
        sections: in their order; a list that leads to each stands above them.
    """
    kept = [section for section in sections if section.body]
    links = "".join(f"<li><a href='#{one.anchor}'>{html.escape(one.title)}</a></li>" for one in kept)
    nav = f"<nav aria-label='On this page'><ul>{links}</ul></nav>" if len(kept) > 1 else ""
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{html.escape(title)}</title><style>{STYLE}</style></head><body>
<a class=skip href="#content">Skip to the content</a>
<header><h1>{html.escape(title)}</h1>
{about}</header>
{nav}
<main id=content tabindex=-1>
{"".join(map(_section, kept))}</main></body></html>
"""


def _section(one: Section) -> str:
    aside = f" <span class=muted>{html.escape(one.aside)}</span>" if one.aside else ""
    return f"<h2 id='{one.anchor}'>{html.escape(one.title)}{aside}</h2>\n{one.body}\n"


def table(label: str, head: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Sequence[int] = ()) -> str:
    """Return a table in a frame of its own; its first column names the rows.

    Args:
        label: what it is, in plain text, for who does not see it; each of a page has another.
        head: plain text.
        rows: HTML a cell; one may bring its own tag, such as `<td class=big>` or `<th scope=row class=long>`.
        numbers: columns that stand to the right.
    """

    def cell(place: int, value: str) -> str:
        if value.startswith(("<td", "<th")):
            return value
        right = " class=n" if place in numbers else ""
        return f"<th scope=row{right}>{value}</th>" if place == 0 else f"<td{right}>{value}</td>"

    tops = "".join(
        f"<th scope=col{' class=n' if at in numbers else ''}>{html.escape(name)}</th>" for at, name in enumerate(head)
    )
    body = "\n".join(f"<tr>{''.join(cell(at, value) for at, value in enumerate(row))}</tr>" for row in rows)
    return framed(label, f"<table><thead><tr>{tops}</tr></thead>\n<tbody>{body}</tbody></table>")


def framed(label: str, wide: str) -> str:
    """Return what may be wider than the screen in a frame that scrolls, by touch and, once Tab has reached it, by arrows."""
    return f"<div class=scroll role=region aria-label='{html.escape(label)}' tabindex=0>{wide}</div>"


def said(text: str) -> str:
    """Return a paragraph that explains, of plain text."""
    return f"<p class=muted>{html.escape(text)}</p>"
