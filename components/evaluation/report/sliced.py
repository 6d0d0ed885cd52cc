"""Who fares worse: each part of the queries drawn beside all of them."""

import html
from collections.abc import Sequence
from dataclasses import asdict

from components.evaluation.report.bars import bar
from components.evaluation.report.layout import said, table
from components.evaluation.sliced import FLOOR, Sliced
from components.evaluation.wording import DIRECTION_MEANS, asks, between, percent

MEANS = "The dot is the part, the band its interval, the dashed line all of these queries together; a part whose band holds the line may differ by noise alone"
NONE = (
    f"No part has a number: fewer than two groups of a label, or makers, have {FLOOR} pictures in a split. The evaluator Slices "
    "takes another floor."
)


def slices(found: Sequence[Sliced]) -> str:
    """Return a table a question; why there is none where nothing was found."""
    if not found:
        return said(NONE)
    return said(f"{MEANS}.") + "".join(map(_one, found))


def _one(one: Sliced) -> str:
    asked = DIRECTION_MEANS.get(one.asked, one.asked)
    worst = min(one.parts, key=lambda part: part.value)
    chance = any(part.chance is not None for part in one.parts)  # of parts that are made of rows nobody said
    rows = [
        [
            f"{html.escape(part.name)}{' <span class=muted>lowest</span>' if part is worst else ''}",
            f"<td class='n big'>{percent(part.value)}</td>", between(asdict(part)), bar(asdict(part), one.whole),
            *([_share(part.chance)] if chance else []), _share(part.baseline), f"{part.queries:,}",
        ]
        for part in one.parts
    ]  # fmt: skip
    head = (one.of, "model", "95% between", "drawn", *(["chance"] if chance else []), "baseline", "queries")
    few = (
        f" Too few queries for a number: {', '.join(f'{name} {count:,}' for name, count in one.few.items())}."
        if one.few
        else ""
    )
    title = f"{asked} by {one.of} on {one.split}"
    return (
        f"<h3>{html.escape(title)} <span class=muted>{asks(one.split)}</span></h3>"
        + table(f"Parts: {title}", head, rows, numbers=(1, 2, *range(4, len(head))))
        + said(f"All together {percent(one.whole)}.{few}")
    )


def _share(value: float | None) -> str:
    return "" if value is None else percent(value)
