"""The map of the shared space: a mark a picture or text, whose shape and colour say its group; filled is a picture, hollow a text."""

import html
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from components.data.pictures import on_white
from components.data.thumbnail import data_uri
from components.evaluation.atlas import Atlas, Point
from components.evaluation.report.layout import said
from components.evaluation.wording import SPLIT_MEANS, percent

SIDE, LEAST, EDGE, THUMB = 480, 160, 26, 36  # of the drawing: its width, its least height, its edge; of a thumbnail
SHAPES = (
    "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z", "M-4-4h8v8h-8z", "M0-5l5 9h-10z", "M0-5.5l5.5 5.5l-5.5 5.5l-5.5-5.5z",
    "M-1.5-5h3v3.5h3.5v3h-3.5v3.5h-3v-3.5h-3.5v-3h3.5z", "M0 5l5-9h-10z", "M-5-2h10v4h-10z", "M-2-5h4v10h-4z",
)  # fmt: skip
"""A shape a group, so that no colour has to be told from another; the last is for all groups beyond."""


def embedding_map(atlas: Atlas | None) -> str:
    """Return the map, its legend, and how much of the space it shows; why not, where there is none."""
    if atlas is None:
        return said("This data has no held-out pictures and texts that a map could be drawn of.")
    kinds = _kinds(atlas)
    pictured = [one for one in atlas.points if one.picture is not None]
    sheet = _Sheet.of(atlas.points)
    marks = "".join(_mark(one, kinds, *sheet.at(one)) for one in atlas.points if one.picture is None)
    marks += "".join(_thumbnail(one, one.picture, *sheet.at(one)) for one in atlas.points if one.picture is not None)
    counts = Counter(one.kind for one in atlas.points)
    told = f"{counts['picture']:,} pictures and {counts['text']:,} texts of {atlas.split} in the shared space"
    shown = (
        f"Principal components: across {percent(atlas.shown[0])} and up {percent(atlas.shown[1])} of the variance, so that "
        f"{percent(1 - sum(atlas.shown))} is not seen here. Filled: a picture; hollow: a text; {len(pictured)} pictures are shown themselves. Pictures and texts are each moved to "
        f"their own mean; these lie {atlas.gap:.2f} apart."
    )
    left = f" Not drawn: {atlas.left_out:,} more." if atlas.left_out else ""
    legend = "".join(
        f"<li><svg class=key viewBox='-6 -6 12 12' aria-hidden=true><path d='{SHAPES[kind]}' class='mark k{kind}' /></svg> {html.escape(name)}</li>"
        for name, kind in _legend(kinds).items()
    )
    return (
        f"<figure class=wide><svg viewBox='0 0 {SIDE} {sheet.height:.0f}' role=img aria-label='{told}'>"
        f"<rect x=1 y=1 width={SIDE - 2} height={sheet.height - 2:.0f} class=axis />{marks}</svg>"
        f"<figcaption><ul class=legend>{legend}</ul></figcaption></figure>"
        + said(f"{told}, {SPLIT_MEANS[atlas.split]}. {shown}{left}")
    )


def _kinds(atlas: Atlas) -> dict[str | None, int]:
    """Return group -> number of its shape, the largest groups first; the last is shared by all that are left."""
    often = Counter(one.group for one in atlas.points)
    ordered = sorted(often, key=lambda group: (group is None, -often[group], group or ""))
    return {group: min(place, len(SHAPES) - 1) for place, group in enumerate(ordered)}


def _legend(kinds: dict[str | None, int]) -> dict[str, int]:
    """Return what a shape stands for -> its number."""
    last = [group for group, kind in kinds.items() if kind == len(SHAPES) - 1]
    named = {
        "no group" if group is None else group: kind
        for group, kind in kinds.items()
        if len(last) < 2 or kind != len(SHAPES) - 1
    }
    return named | ({f"{len(last)} other groups": len(SHAPES) - 1} if len(last) > 1 else {})


def _mark(one: Point, kinds: dict[str | None, int], x: float, y: float) -> str:
    kind = kinds[one.group]
    hollow = " text" if one.kind == "text" else ""
    return (
        f"<path d='{SHAPES[kind]}' class='mark k{kind}{hollow}' transform='translate({x:.1f} {y:.1f})'>"
        f"<title>{_called(one)}</title></path>"
    )


def _thumbnail(one: Point, picture: bytes, x: float, y: float) -> str:
    small: Image.Image = on_white(picture)
    small.thumbnail((THUMB, THUMB))
    return (
        f"<image x='{x - THUMB / 2:.1f}' y='{y - THUMB / 2:.1f}' width={THUMB} height={THUMB} href='{data_uri(small)}'>"
        f"<title>{_called(one)}</title></image>"
    )


def _called(one: Point) -> str:
    return html.escape(f"{one.kind}: {one.name}{f', {one.group}' if one.group else ''}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sheet:
    """Where points come to lie: as large as fits the width, one unit as long across as up."""

    left: float
    top: float
    unit: float
    height: float

    @classmethod
    def of(cls, points: Sequence[Point]) -> "_Sheet":
        across, up = [one.x for one in points], [one.y for one in points]
        wide, high = max(across) - min(across), max(up) - min(up)
        unit = (SIDE - 2 * EDGE) / (max(wide, high) or 1.0)
        height = max(LEAST, unit * high + 2 * EDGE)
        left, top = (min(across) + max(across)) / 2 - SIDE / 2 / unit, (min(up) + max(up)) / 2 + height / 2 / unit
        return cls(left=left, top=top, unit=unit, height=height)

    def at(self, one: Point) -> tuple[float, float]:
        return (one.x - self.left) * self.unit, (self.top - one.y) * self.unit
