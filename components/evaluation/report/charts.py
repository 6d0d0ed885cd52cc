"""The charts of a report, drawn as SVG: curves, and how sure a model is against how often it is right."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

from components.evaluation.report.layout import said
from components.evaluation.wording import asks, percent, splits_of

MARKS = 64  # of the drawing's units, left of a chart for the marks of its axis


def chart(name: str, points: Sequence[tuple[int, float]], width: int = 480, height: int = 170) -> str:
    """Return a line chart as SVG, its axes marked at both ends, with its first and last value in words."""
    if len(points) < 2:
        return ""
    steps, values = zip(*points, strict=True)
    low, high = min(values), max(values)
    spread, last = (high - low) or 1.0, max(steps) or 1
    top, bottom = 6, height - 24  # of the drawn area; left of and below it stand the marks
    line = " ".join(
        f"{MARKS + (width - MARKS - 4) * s / last:.1f},{bottom - (bottom - top) * (v - low) / spread:.1f}"
        for s, v in points
    )
    marks = "".join(
        f"<text x={x} y={y} text-anchor={side}>{words}</text>"
        for x, y, side, words in (
            (MARKS - 6, top + 12, "end", f"{high:.3g}"), (MARKS - 6, bottom, "end", f"{low:.3g}"),
            (MARKS, height - 4, "start", "step 0"), (width - 4, height - 4, "end", f"{last:,}"),
        )
    )  # fmt: skip
    told = f"{values[0]:.3g} → {values[-1]:.3g} in {steps[-1]:,} steps"
    return (
        f"<h3>{html.escape(name)} <span class=muted>{told}</span></h3>"
        f"<svg viewBox='0 0 {width} {height}' role=img aria-label='{html.escape(name)}: {told}'>"
        f"<path d='M{MARKS} {top}V{bottom}H{width - 4}' class=axis />{marks}"
        f"<polyline points='{line}' class=line /></svg>"
    )


def reliability(calibration: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """Return how sure the model is against how often it is right, a picture a split; nothing where it was not measured."""
    drawn = "".join(
        f"<h3>{html.escape(label)}</h3><div class=row>"
        + "".join(_diagonal(label, split, splits[split]) for split in splits_of(splits))
        + "</div>"
        for label, splits in calibration.items()
    )
    means = "Across: how sure it is of its answer; up: how often it is right; on the dashed line it can be believed."
    return said(means) + drawn if drawn else ""


def _diagonal(label: str, split: str, found: Mapping[str, Any], side: int = 200) -> str:
    """Return one reliability picture: a dot for each bin, as large as the bin has queries."""
    low, high, room = MARKS, MARKS + side, 12  # of the drawn square; below it stand the marks
    most = max(one["queries"] for one in found["bins"])
    at = [(low + side * one["confidence"], room + side * (1 - one["right"])) for one in found["bins"]]
    dots = "".join(
        f"<circle cx={x:.1f} cy={y:.1f} r={1.5 + 4 * (one['queries'] / most) ** 0.5:.1f} class=dot />"
        for (x, y), one in zip(at, found["bins"], strict=True)
    )
    marks = "".join(
        f"<text x={x} y={y} text-anchor={anchor}>{words}</text>"
        for x, y, anchor, words in (
            (low - 6, room + 10, "end", "100%"), (low - 6, room + side, "end", "0"),
            (low, room + side + 16, "start", "0"), (high, room + side + 16, "end", "100%"),
        )
    )  # fmt: skip
    told = f"{percent(found['confidence'])} sure, {percent(found['right'])} right"
    return (
        f"<figure style='width:16rem'><svg viewBox='0 0 {high + 8} {side + room + 22}' role=img "
        f"aria-label='{html.escape(label)}, {split}: {told}'>"
        f"<path d='M{low} {room}V{room + side}H{high}' class=axis />{marks}"
        f"<path d='M{low} {room + side}L{high} {room}' class=axis stroke-dasharray=4 />"
        f"<polyline points='{' '.join(f'{x:.1f},{y:.1f}' for x, y in at)}' class=line style='stroke-width:1' />{dots}</svg>"
        f"<figcaption>{split} <span class=muted>{asks(split)}</span><br>{told}, {found['queries']:,} pictures</figcaption></figure>"
    )
