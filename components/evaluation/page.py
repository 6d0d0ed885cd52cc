"""report.html of a model: what it scores, how it learned, what it finds. One file, nothing loaded from elsewhere."""

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.evaluation.wording import further_rows, percent, retrieval_rows

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
h1{margin-bottom:0}h2{margin-top:2.5rem}.muted{color:#57606a}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid #d8dee4}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}td.big{font-weight:600}
.query{display:flex;align-items:center;gap:.5rem;padding:.35rem 0;border-bottom:1px solid #eaeef2;flex-wrap:wrap}
.query b{min-width:14rem}.query img{width:48px;height:48px}
figure{display:inline-block;margin:0;text-align:center;font-size:.75rem;width:6rem}svg{width:100%;height:auto}
@media(prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}th,td,.query{border-color:#30363d}.query img{background:#fff;border-radius:6px}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A text and its nearest pictures, nearest first: (encoded bytes, name, source)."""

    text: str
    pictures: tuple[tuple[bytes, str, str], ...]


def render(
    title: str, facts: Sequence[tuple[str, str]], metrics: Mapping[str, Mapping[str, Any]],
    curves: Mapping[str, Sequence[tuple[int, float]]], found: Sequence[Found],
) -> str:  # fmt: skip
    """Return the page.

    Args:
        facts: name and value of what to know of the model.
        metrics: as metrics.json has them.
        curves: name -> (step, value).
        found: queries with what they find.
    """
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{html.escape(title)}</title><style>{STYLE}</style>
<h1>{html.escape(title)}</h1>
<p class="muted">{" · ".join(f"{html.escape(name)} {html.escape(value)}" for name, value in facts)}</p>
<h2>What it scores</h2>{table(metrics)}
{further(metrics)}
<p class="muted">Recall at k: how often the right answer is among the first k. Chance is a blind guess. The baseline lends
each picture the name of the training picture nearest to it by edges and colours. <i>val</i> was used to choose; no stage
before evaluate can read the others.</p>
<h2>How it learned</h2>{"".join(chart(name, points) for name, points in curves.items())}
<h2>What it finds</h2>{"".join(query(one) for one in found)}
</html>
"""


def table(metrics: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the retrieval metrics as a table."""
    rows = [
        f"<tr><td>{row['split']} <span class=muted>{row['means']}</span></td><td>{row['direction']}</td><td>R@{row['k']}</td>"
        f"<td class='n big'>{percent(row['value'])}</td><td class=n>{percent(row['chance'])}</td>"
        f"<td class=n>{percent(row['baseline'])}</td><td class=n>{row['n']:,}</td></tr>"
        for row in retrieval_rows(metrics)
    ]
    head = "".join(f"<th class=n>{name}</th>" for name in ("model", "chance", "baseline", "queries"))
    return f"<table><tr><th>split</th><th>direction</th><th></th>{head}</tr>{''.join(rows)}</table>"


def further(metrics: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what was measured beside retrieval as a table, each number with how it was asked; nothing where nothing was."""
    rows = [
        f"<tr><td>{html.escape(row['asked'])}<br><span class=muted>{html.escape(row['method'])}</span></td>"
        f"<td>{row['split']} <span class=muted>{row['means']}</span></td><td class='n big'>{row['value']}</td>"
        f"<td class=n>{row['chance']}</td><td class=n>{row['baseline']}</td><td class=n>{row['n']:,}</td></tr>"
        for row in further_rows(metrics)
    ]
    head = "".join(f"<th class=n>{name}</th>" for name in ("model", "chance", "baseline", "n"))
    table = f"<table><tr><th>what, and how it was asked</th><th>split</th>{head}</tr>{''.join(rows)}</table>"
    return f"<h2>What else was measured</h2>{table}" if rows else ""


def chart(name: str, points: Sequence[tuple[int, float]], width: int = 720, height: int = 160) -> str:
    """Return a line chart as SVG, with its first and last value in words."""
    if len(points) < 2:
        return ""
    steps, values = zip(*points, strict=True)
    low, high = min(values), max(values)
    spread, last = (high - low) or 1.0, max(steps) or 1
    line = " ".join(f"{width * s / last:.1f},{height - 4 - (height - 8) * (v - low) / spread:.1f}" for s, v in points)
    return (
        f"<h3>{html.escape(name)} <span class=muted>{values[0]:.3g} → {values[-1]:.3g} in {steps[-1]:,} steps</span></h3>"
        f"<svg viewBox='0 0 {width} {height}' role=img aria-label='{html.escape(name)}'>"
        f"<polyline points='{line}' fill=none stroke='#2f81f7' stroke-width=2 /></svg>"
    )


def query(found: Found) -> str:
    """Return a text with its nearest pictures."""
    figures = "".join(
        f"<figure><img alt='{html.escape(name)}' src='data:image/png;base64,{base64.b64encode(data).decode()}'>"
        f"<figcaption>{html.escape(name)}<br><span class=muted>{html.escape(source)}</span></figcaption></figure>"
        for data, name, source in found.pictures
    )
    return f"<div class=query><b>{html.escape(found.text)}</b>{figures}</div>"
