"""Boxes drawn on a small picture, as a report shows them."""

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
from PIL import Image, ImageDraw

from components.data.thumbnail import SIDE
from components.validation.regions import EDGES

MOST = 30  # boxes drawn on one picture
_COLOURS = ("#e6194b", "#3cb44b", "#4363d8", "#f58231")


class Boxes:
    """The regions of a snapshot, to be drawn on their pictures.

    Args:
        regions: rows of data/regions.py; None where there are none.
    """

    def __init__(self, regions: pa.Table | None) -> None:
        self._regions = regions
        self._at: dict[str, list[int]] = {}
        for at, key in enumerate(regions["key"].to_pylist() if regions is not None else ()):
            self._at.setdefault(key, []).append(at)

    def on(self, key: str, picture: Image.Image | None) -> Image.Image | None:
        """Return the picture of a sample, small and with its boxes; as it is where it has none."""
        places = self._at.get(key)
        if picture is None or not places or self._regions is None:
            return picture
        return drawn(picture, self._regions.take(places[:MOST]).select(EDGES).to_pylist())


def drawn(picture: Image.Image, boxes: Iterable[Mapping[str, Any]]) -> Image.Image:
    """Return a picture of at most SIDE pixels a side with boxes from 0 to 1; edges outside it are drawn at its own."""
    small = picture.convert("RGB")
    small.thumbnail((SIDE, SIDE))
    pen = ImageDraw.Draw(small)
    for number, box in enumerate(boxes):
        edges = [box[edge] for edge in EDGES]
        if any(edge is None or edge != edge for edge in edges):
            continue
        x0, y0, x1, y1 = (min(max(edge, 0.0), 1.0) for edge in edges)
        wide, high = small.width - 1, small.height - 1
        corners = (min(x0, x1) * wide, min(y0, y1) * high, max(x0, x1) * wide, max(y0, y1) * high)
        pen.rectangle(corners, outline=_COLOURS[number % len(_COLOURS)])
    return small
