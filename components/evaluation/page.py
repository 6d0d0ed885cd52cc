"""report.html of a model: what it scores, on what, how it learned, what it finds. One file, nothing loaded from elsewhere."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

from components.data.pictures import on_white
from components.data.thumbnail import data_uri
from components.evaluation.cases import Case
from components.evaluation.examples import Example
from components.evaluation.wording import (
    BASELINES_MEAN,
    DIRECTION_MEANS,
    SPLIT_MEANS,
    between,
    further_rows,
    percent,
    retrieval_rows,
)

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
MARKS = 56  # pixels left of a chart for the marks of its axis
BAND_MEANS = {
    "best": "right, and surest of it",
    "typical": "in the middle of all",
    "worst": "furthest down",
}


def render(
    title: str, facts: Sequence[tuple[str, str]], metrics: Mapping[str, Mapping[str, Any]], data: Mapping[str, Any],
    curves: Mapping[str, Sequence[tuple[int, float]]], split: str, cases: Mapping[str, Mapping[str, Sequence[Case]]],
    examples: Sequence[Example], calibration: Mapping[str, Mapping[str, Mapping[str, Any]]] | None = None,
) -> str:  # fmt: skip
    """Return the page; the same bytes for the same arguments.

    Args:
        facts: name and value of what to know of the model.
        metrics: as metrics.json has them.
        data: report.json of the validation.
        curves: name -> (step, value).
        split: of the cases.
        cases: direction -> band -> queries with what was said to them.
        examples: texts with the pictures they find.
        calibration: label -> split -> means and bins, as evaluate's calibration.<label>.json has them.
    """
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{html.escape(title)}</title><style>{STYLE}</style>
<h1>{html.escape(title)}</h1>
<p class="muted">{" · ".join(f"{html.escape(name)} {html.escape(value)}" for name, value in facts)}</p>
<h2>What it scores</h2>{table(metrics)}
<p class="muted">Recall at k: how often the right answer is among the first k. Chance is a blind guess. The baseline lends
each picture the name of the training picture nearest to it by edges and colours. In 95 of 100 such cases what a model gets
over all pictures of the kind lies between the two ends. <i>val</i> was used to choose; no stage
before evaluate can read the others.</p>
{further(metrics)}
{reliability(calibration or {})}
<h2>On what data</h2>{counts(data)}
<h2>How it learned</h2>{"".join(chart(name, points) for name, points in curves.items())}
{galleries(split, cases)}
<h2>What a text finds <span class="muted">nearest first; green: what it names</span></h2>
{"".join(example(one) for one in examples)}
</html>
"""


def table(metrics: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the retrieval metrics as a table."""
    rows = [
        f"<tr><td>{row['split']} <span class=muted>{row['means']}</span></td><td>{row['direction']}</td><td>R@{row['k']}</td>"
        f"<td class='n big'>{percent(row['value'])}</td><td class=n>{between(row)}</td><td class=n>{percent(row['chance'])}</td>"
        f"<td class=n>{percent(row['baseline'])}</td><td class=n>{row['n']:,}</td></tr>"
        for row in retrieval_rows(metrics)
    ]
    head = "".join(f"<th class=n>{name}</th>" for name in ("model", "95% between", "chance", "baseline", "queries"))
    return f"<table><tr><th>split</th><th>direction</th><th></th>{head}</tr>{''.join(rows)}</table>"


def further(metrics: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what was measured beside retrieval as a table, each number with how it was asked; nothing where nothing was."""
    rows = [
        f"<tr><td>{html.escape(row['asked'])}<br><span class=muted>{html.escape(row['method'])}</span></td>"
        f"<td>{row['split']} <span class=muted>{row['means']}</span></td><td class='n big'>{row['value']}</td><td class=n>{row['between']}</td>"
        f"<td class=n>{row['chance']}</td><td class=n>{row['baseline']}</td><td class=n>{row['n']:,}</td></tr>"
        for row in further_rows(metrics)
    ]
    head = "".join(f"<th class=n>{name}</th>" for name in ("model", "95% between", "chance", "baseline", "n"))
    table = f"<table><tr><th>what, and how it was asked</th><th>split</th>{head}</tr>{''.join(rows)}</table>"
    said = f"<p class=muted>Baselines: {BASELINES_MEAN}.</p>"
    return f"<h2>What else was measured</h2>{table}{said}" if rows else ""


def reliability(calibration: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """Return how sure the model is against how often it is right, a picture a split; nothing where it was not measured."""
    drawn = "".join(
        f"<h3>{html.escape(label)}</h3><div class=row>"
        + "".join(_diagonal(split, splits[split]) for split in SPLIT_MEANS if split in splits)
        + "</div>"
        for label, splits in calibration.items()
    )
    said = "across: how sure it is of its answer; up: how often it is right; on the dashed line it can be believed"
    return f"<h2>How far it can be believed <span class=muted>{said}</span></h2>{drawn}" if drawn else ""


def _diagonal(split: str, found: Mapping[str, Any], side: int = 200) -> str:
    """Return one reliability picture: a dot for each bin, as large as the bin has queries."""
    low, high, room = MARKS, MARKS + side, 12  # of the drawn square; below it stand the marks
    most = max(one["queries"] for one in found["bins"])
    at = [(low + side * one["confidence"], room + side * (1 - one["right"])) for one in found["bins"]]
    dots = "".join(
        f"<circle cx={x:.1f} cy={y:.1f} r={1.5 + 4 * (one['queries'] / most) ** 0.5:.1f} fill='#2f81f7' />"
        for (x, y), one in zip(at, found["bins"], strict=True)
    )
    marks = "".join(
        f"<text x={x} y={y} text-anchor={anchor}>{said}</text>"
        for x, y, anchor, said in (
            (low - 6, room + 10, "end", "100%"), (low - 6, room + side, "end", "0"),
            (low, room + side + 16, "start", "0"), (high, room + side + 16, "end", "100%"),
        )
    )  # fmt: skip
    told = f"{percent(found['confidence'])} sure, {percent(found['right'])} right"
    return (
        f"<figure style='width:16rem'><svg viewBox='0 0 {high + 8} {side + room + 22}' role=img aria-label='{split}: {told}'>"
        f"<path d='M{low} {room}V{room + side}H{high}' class=axis />{marks}"
        f"<path d='M{low} {room + side}L{high} {room}' class=axis stroke-dasharray=4 />"
        f"<polyline points='{' '.join(f'{x:.1f},{y:.1f}' for x, y in at)}' fill=none stroke='#2f81f7' />{dots}</svg>"
        f"<figcaption>{split} <span class=muted>{SPLIT_MEANS[split]}</span><br>{told}, {found['queries']:,} pictures</figcaption></figure>"
    )


def counts(data: Mapping[str, Any]) -> str:
    """Return where every sample that came in went, by split, and why some were set aside."""
    rows = "".join(
        f"<tr><td>{html.escape(split)}</td><td class=n>{its['rows_in']:,}</td><td class='n big'>{its['kept']:,}</td>"
        f"<td class=n>{its['rows_in'] - its['kept']:,}</td>"
        f"<td>{html.escape(', '.join(f'{reason} {count:,}' for reason, count in its['reasons'].items()))}</td></tr>"
        for split, its in data["splits"].items()
    )
    total = (
        f"<tr><td>all</td><td class=n>{data['rows_in']:,}</td><td class='n big'>{data['clean'] + data['pools']:,}</td>"
        f"<td class=n>{data['quarantined']:,}</td><td></td></tr>"
    )
    head = "<th>split</th><th class=n>came in</th><th class=n>kept</th><th class=n>set aside</th><th>why</th>"
    without = "".join(f"<li>{html.escape(what)}: {html.escape(why)}</li>" for what, why in data["without"].items())
    return (
        f"<p class=muted>Source {html.escape(data['source'])}, snapshot {html.escape(data['digest'][:12])}.</p>"
        f"<table><tr>{head}</tr>{rows}{total}</table>"
        + (f"<p>What this data does not allow, or left out:</p><ul>{without}</ul>" if without else "")
    )


def chart(name: str, points: Sequence[tuple[int, float]], width: int = 720, height: int = 180) -> str:
    """Return a line chart as SVG, its axes marked at both ends, with its first and last value in words."""
    if len(points) < 2:
        return ""
    steps, values = zip(*points, strict=True)
    low, high = min(values), max(values)
    spread, last = (high - low) or 1.0, max(steps) or 1
    top, bottom = 6, height - 22  # of the drawn area; left of and below it stand the marks
    line = " ".join(
        f"{MARKS + (width - MARKS - 4) * s / last:.1f},{bottom - (bottom - top) * (v - low) / spread:.1f}"
        for s, v in points
    )
    marks = "".join(
        f"<text x={x} y={y} text-anchor={side}>{said}</text>"
        for x, y, side, said in (
            (MARKS - 6, top + 10, "end", f"{high:.3g}"), (MARKS - 6, bottom, "end", f"{low:.3g}"),
            (MARKS, height - 6, "start", "step 0"), (width - 4, height - 6, "end", f"{last:,}"),
        )
    )  # fmt: skip
    return (
        f"<h3>{html.escape(name)} <span class=muted>{values[0]:.3g} → {values[-1]:.3g} in {steps[-1]:,} steps</span></h3>"
        f"<svg viewBox='0 0 {width} {height}' role=img aria-label='{html.escape(name)}'>"
        f"<path d='M{MARKS} {top}V{bottom}H{width - 4}' class=axis />{marks}"
        f"<polyline points='{line}' fill=none stroke='#2f81f7' stroke-width=2 /></svg>"
    )


def galleries(split: str, cases: Mapping[str, Mapping[str, Sequence[Case]]]) -> str:
    """Return the cases of both directions; nothing where the split has none."""
    head = f'<h2>Best, typical, worst <span class="muted">on {html.escape(split)}: {SPLIT_MEANS[split]}</span></h2>'
    return head + "".join(gallery(direction, bands) for direction, bands in cases.items()) if cases else ""


def gallery(direction: str, bands: Mapping[str, Sequence[Case]]) -> str:
    """Return the cases of one direction, a row a band."""
    rows = "".join(
        f"<div class=row><b>{band}<br><span class=muted>{BAND_MEANS[band]}</span></b>{''.join(map(case, found))}</div>"
        for band, found in bands.items()
        if found
    )
    return f"<h3>{DIRECTION_MEANS[direction]}</h3>{rows}"


def case(one: Case) -> str:
    """Return a query with its own right answer, and with what came first instead."""
    if one.said is None:
        said, instead = "", ""
    elif isinstance(one.said, str):
        said, instead = f"<br>said: {html.escape(one.said)}", ""
    else:
        said, instead = "<br>found first: the second", image(one.said, "what came first instead", "wrong")
    right = "right" if one.said is None else ""
    return (
        f"<figure>{image(one.picture, one.name, right)}{instead}<figcaption>{html.escape(one.name)}"
        f"<span class=muted>{said}<br>rank {one.rank:,} of {one.of:,}</span></figcaption></figure>"
    )


def example(one: Example) -> str:
    """Return a text with its nearest pictures."""
    shown = "".join(image(found.picture, "", "right" if found.right else "") for found in one.shown)
    return f"<div class=row><b>{html.escape(one.text)}</b>{shown}</div>"


def image(data: bytes, name: str, kind: str) -> str:
    """Return a thumbnail."""
    return f"<img class='{kind}' alt='{html.escape(name)}' src='{data_uri(on_white(data))}'>"
