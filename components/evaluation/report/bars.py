"""A number as a small picture: where it lies between 0 and 1, its interval, and what chance and a baseline get."""

from collections.abc import Mapping
from typing import Any

WIDTH, HEIGHT, EDGE = 160, 20, 5  # of the drawing's own units; a dot at an end is seen whole
BARS_MEAN = "Drawn from 0 to 100%: the dot is the model, the band what it gets in 95 of 100 cases, the orange tick chance, the dashed one the baseline"


def bar(metric: Mapping[str, Any], whole: float | None = None) -> str:
    """Return the drawing of a share; empty of what is none. Its numbers stand beside it as text, so it is hidden from who hears the page.

    Args:
        metric: `value` and `unit`, and where known `low`, `high`, `chance` and `baseline`.
        whole: what all together get, where the number is of a part.
    """
    if metric.get("unit", "fraction") != "fraction" or not 0 <= metric["value"] <= 1:
        return ""
    middle = HEIGHT / 2
    drawn = [f"<path d='M{EDGE} {middle:g}H{WIDTH - EDGE}' class=axis />"]
    if metric.get("low") is not None:
        drawn.append(f"<path d='M{_at(metric['low'])} {middle:g}H{_at(metric['high'])}' class=span />")
    for name, kind in (("baseline", "base"), ("chance", "chance")):
        if metric.get(name) is not None:
            drawn.append(f"<path d='M{_at(metric[name])} 2V{HEIGHT - 2}' class={kind} />")
    if whole is not None:
        drawn.append(f"<path d='M{_at(whole)} 0V{HEIGHT}' class=whole />")
    drawn.append(f"<circle cx={_at(metric['value'])} cy={middle:g} r=4 class=dot />")
    return f"<svg class=bar viewBox='0 0 {WIDTH} {HEIGHT}' aria-hidden=true>{''.join(drawn)}</svg>"


def _at(share: float) -> str:
    return f"{EDGE + (WIDTH - 2 * EDGE) * min(1.0, max(0.0, share)):.1f}"
