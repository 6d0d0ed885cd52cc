"""Plots of a monitor's page as SVG, in the colours of the pages of models: lines over time, and two distributions beside each other."""

import html
from collections.abc import Mapping, Sequence

import numpy as np

WIDTH, HEIGHT, LEFT, TOP, BELOW = 480, 170, 64, 6, 24  # of the drawing's own units
BINS = 24


def over_time(
    title: str,
    series: Mapping[str, Sequence[float | None]],
    ends: tuple[str, str],
    unit: str = "",
    budget: float | None = None,
) -> str:
    """Return a line for each series, one value a window; where a window has none, the line has a gap.

    Args:
        title: in plain text.
        series: name -> values.
        ends: what stands below the first and the last window.
        unit: behind the numbers.
        budget: a value that is drawn across as a dashed line.
    """
    values = [value for line in series.values() for value in line if value is not None]
    if not values:
        return ""
    bounds = [*values, 0.0, *([] if budget is None else [budget])]
    low, high = min(bounds), max(bounds)
    drawn = "".join(_line(line, at, low, high) for at, line in enumerate(series.values()))
    across = "" if budget is None else f"<path d='M{LEFT} {_up(budget, low, high)}H{WIDTH - 4}' class=base />"
    last = ", ".join(
        f"{name} {line[-1]:.3g}{unit}" if line and line[-1] is not None else f"{name} none"
        for name, line in series.items()
    )
    told = f"{title}; in the last window {last}"
    return _framed(title, told, _marks(f"{low:.3g}{unit}", f"{high:.3g}{unit}", *ends) + across + drawn) + _legend(
        list(series)
    )


def distributions(title: str, samples: Mapping[str, np.ndarray]) -> str:
    """Return the share of each sample in each bin as an outline; an empty text where one has no values."""
    if not samples or any(not len(sample) for sample in samples.values()):
        return ""
    every = np.concatenate(list(samples.values()))
    edges = np.histogram_bin_edges(every, BINS)
    shares = {name: np.histogram(sample, edges)[0] / len(sample) for name, sample in samples.items()}
    high = max(float(share.max()) for share in shares.values())
    drawn = "".join(_outline(share, at, high) for at, share in enumerate(shares.values()))
    told = f"{title}; the middle is " + ", ".join(f"{np.median(one):.3f} {name}" for name, one in samples.items())
    marks = _marks("0", f"{high:.0%}", f"{edges[0]:.2f}", f"{edges[-1]:.2f}")
    return _framed(title, told, marks + drawn) + _legend(list(samples))


def _line(values: Sequence[float | None], colour: int, low: float, high: float) -> str:
    parts: list[list[str]] = [[]]
    for at, value in enumerate(values):
        if value is None:
            parts.append([])
        else:
            across = LEFT + (WIDTH - LEFT - 4) * at / max(len(values) - 1, 1)
            parts[-1].append(f"{across:.1f},{_up(value, low, high)}")
    drawn = "".join(
        f"<polyline points='{' '.join(part)}' class='mark text' />"
        if len(part) > 1
        else f"<circle cx={part[0].partition(',')[0]} cy={part[0].partition(',')[2]} r=3 class=mark />"
        for part in parts
        if part
    )
    return f"<g class=k{colour}>{drawn}</g>"


def _outline(shares: np.ndarray, colour: int, high: float) -> str:
    step = (WIDTH - LEFT - 4) / len(shares)
    points = [f"{LEFT},{HEIGHT - BELOW}"]
    for at, share in enumerate(shares):
        points += [f"{LEFT + (at + side) * step:.1f},{_up(float(share), 0, high)}" for side in (0, 1)]
    points.append(f"{WIDTH - 4},{HEIGHT - BELOW}")
    return f"<g class=k{colour}><polyline points='{' '.join(points)}' class='mark text' /></g>"


def _up(value: float, low: float, high: float) -> str:
    return f"{HEIGHT - BELOW - (HEIGHT - BELOW - TOP) * (value - low) / ((high - low) or 1):.1f}"


def _marks(low: str, high: str, first: str, last: str) -> str:
    return f"<path d='M{LEFT} {TOP}V{HEIGHT - BELOW}H{WIDTH - 4}' class=axis />" + "".join(
        f"<text x={x} y={y} text-anchor={side}>{html.escape(words)}</text>"
        for x, y, side, words in (
            (LEFT - 6, TOP + 12, "end", high), (LEFT - 6, HEIGHT - BELOW, "end", low),
            (LEFT, HEIGHT - 4, "start", first), (WIDTH - 4, HEIGHT - 4, "end", last),
        )
    )  # fmt: skip


def _framed(title: str, told: str, drawn: str) -> str:
    return (
        f"<h3>{html.escape(title)}</h3><svg viewBox='0 0 {WIDTH} {HEIGHT}' role=img aria-label='{html.escape(told)}'>"
        f"{drawn}</svg><p class=muted>{html.escape(told)}.</p>"
    )


def _legend(names: Sequence[str]) -> str:
    if len(names) < 2:
        return ""
    items = "".join(
        f"<li><svg class='key k{at}' viewBox='0 0 10 10' aria-hidden=true><path d='M0 5H10' class='mark text' /></svg> {html.escape(name)}</li>"
        for at, name in enumerate(names)
    )
    return f"<ul class=legend>{items}</ul>"
