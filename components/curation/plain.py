"""Vectors of pictures by their colours and edges, without a model: to cluster where none was trained yet.

Source: Dalal and Triggs 2005, "Histograms of Oriented Gradients for Human Detection" (edges by direction and place). Differs: cells are
not normalised with their neighbours, and the mean colour of each cell stands beside them.
Axes: N pictures, S pixels a side, D numbers.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8

from components.contracts.errors import CapabilityError
from components.data.transforms.preprocess import BadImage, Preprocess

PLAIN = "plain"  # its name where a package's folder would stand
SIDE, CELLS, DIRECTIONS = 32, 4, 8


class PlainEmbedder:
    """Knows what a picture looks like, and no word; a value of its own for every picture, the same on every machine."""

    name = "plain 1 (colours and edges)"

    def pictures(self, pictures: Sequence[bytes]) -> Float[np.ndarray, "N D"]:
        """Return 4 x 4 cells of mean colour and of eight directions of edges; NaN of what cannot be decoded."""
        preprocess = Preprocess(size=SIDE, resizer="pillow")
        rows = np.full((len(pictures), CELLS * CELLS * (3 + DIRECTIONS)), np.nan, np.float32)
        for place, data in enumerate(pictures):
            try:
                rows[place] = plain(preprocess(data))
            except BadImage:
                continue
        return rows

    def texts(self, texts: Sequence[str]) -> Float[np.ndarray, "N D"]:
        """Raise CapabilityError: it knows none."""
        raise CapabilityError(
            f"curation.models has {PLAIN!r}, which knows pictures by their colours and edges, and no text. Name a package for steps that ask of texts."
        )


def plain(pixels: UInt8[np.ndarray, "3 S S"]) -> Float[np.ndarray, "D"]:
    """Return colours about grey, and edges by direction, either of the same weight."""
    shown = pixels.astype(np.float32) / 255
    colours = _by_cell(shown) - 0.5
    grey = shown.mean(0)
    down, across = np.gradient(grey)
    strength, way = np.hypot(down, across), np.arctan2(down, across) % np.pi
    bins = np.minimum((way / np.pi * DIRECTIONS).astype(np.int64), DIRECTIONS - 1)
    edges = _by_cell(np.stack([np.where(bins == one, strength, 0) for one in range(DIRECTIONS)]))
    parts = [part.ravel() / max(float(np.linalg.norm(part)), 1e-6) for part in (colours, edges)]
    found: np.ndarray = np.concatenate([*parts]).astype(np.float32)
    return found


def _by_cell(planes: Float[np.ndarray, "C S S"]) -> Float[np.ndarray, "C G G"]:
    """Return the mean of each cell."""
    side = planes.shape[1] // CELLS
    return planes.reshape(len(planes), CELLS, side, CELLS, side).mean((2, 4))
