"""curves.csv as a picture: a small chart for each column, as SVG that any browser shows and that needs no library."""

import csv
import html
import math

_WIDTH, _HEIGHT, _ACROSS, _EDGE = 320, 140, 2, 24
_Points = list[tuple[float, float]]


def picture(curves: str) -> str:
    """Return the text of curves.svg of the text of curves.csv: columns with at least two numbers, steps from left to right."""
    columns = points_of(curves)
    down = math.ceil(len(columns) / _ACROSS) or 1
    charts = "".join(
        _chart(name, points, _WIDTH * (place % _ACROSS), _HEIGHT * (place // _ACROSS))
        for place, (name, points) in enumerate(columns.items())
    )
    size = f'viewBox="0 0 {_WIDTH * _ACROSS} {_HEIGHT * down}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="10">'
        f'<rect width="100%" height="100%" fill="white"/>{charts}</svg>\n'
    )


def points_of(curves: str) -> dict[str, _Points]:
    """Return column -> (step, value), in the order of the columns; not those with fewer than two numbers."""
    found: dict[str, _Points] = {}
    for row in csv.DictReader(curves.splitlines()):
        for name, said in row.items():
            if name != "step" and said:
                found.setdefault(name, []).append((float(row["step"]), float(said)))
    names = csv.DictReader(curves.splitlines()).fieldnames or ()
    return {name: found[name] for name in names if len(found.get(name, ())) > 1}


def _chart(name: str, points: _Points, left: int, top: int) -> str:
    """Return one chart: a line, the name with the last value, and the range at the edge."""
    steps, values = zip(*points, strict=True)
    first, last, low, high = min(steps), max(steps), min(values), max(values)
    across, up = (last - first) or 1.0, (high - low) or 1.0
    inner, tall = _WIDTH - 2 * _EDGE, _HEIGHT - 2 * _EDGE
    line = " ".join(
        f"{left + _EDGE + inner * (step - first) / across:.1f},{top + _EDGE + tall * (1 - (value - low) / up):.1f}"
        for step, value in points
    )
    bottom = top + _HEIGHT - _EDGE
    return (
        f'<text x="{left + _EDGE}" y="{top + 16}">{html.escape(name)}: {values[-1]:.4g}</text>'
        f'<text x="{left + _EDGE}" y="{bottom + 12}" fill="gray">step {first:,.0f} to {last:,.0f}, {low:.4g} to {high:.4g}</text>'
        f'<path d="M{left + _EDGE} {top + _EDGE}V{bottom}H{left + _WIDTH - _EDGE}" fill="none" stroke="lightgray"/>'
        f'<polyline points="{line}" fill="none" stroke="steelblue" stroke-width="1.5"/>'
    )
