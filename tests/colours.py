"""A teacher for the coloured squares that sees their mean colour and reads its name: what it says can be worked out by hand.

Axes: N rows, S pixels a side, D = 3 embedding width: red, green, blue.
"""

from collections.abc import Sequence

import numpy as np

from tests.squares import COLOURS


class Colours:
    """Two encoders that meet in the colour.

    Args:
        size: pixels a side that it takes.
        name: how it is called; its digest follows from it.
        scale: what it multiplies cosines with.
    """

    width = 3

    def __init__(self, size: int = 16, name: str = "colours", scale: float = 10.0) -> None:
        self.size, self.name, self.logit_scale = size, name, scale
        self.digest = name.encode().hex().ljust(64, "0")
        self.seen: list[np.ndarray] = []

    def image(self, pixels: np.ndarray) -> np.ndarray:
        """Return the mean colour of what is not white."""
        assert pixels.shape[1:] == (3, self.size, self.size)
        self.seen.append(pixels.copy())
        return _unit(1.02 - pixels.mean((2, 3)))

    def text(self, texts: Sequence[str]) -> np.ndarray:
        """Return the colour that is named; grey where none is."""
        named = [next((rgb for name, rgb in COLOURS.items() if name in text), (90, 90, 90)) for text in texts]
        return _unit(1.02 - np.array(named) / 255)


def _unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
