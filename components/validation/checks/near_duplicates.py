"""Pictures that look nearly the same as another one of their own side: scaled, recompressed, slightly changed."""

import numpy as np
from numpy.typing import NDArray

from components.validation.check import Check
from components.validation.findings import Finding
from components.validation.near import Nearness
from components.validation.rows import Rows


class NearDuplicates(Check):
    """Among the pictures that are trained on, and among those that a number is taken from.

    Args:
        bits: of the 64 of the perceptual hash that may differ.
        colour: most that the mean of a channel, 0 to 1, may differ.
    """

    def __init__(self, bits: int = 4, colour: float = 0.05) -> None:
        self.near = Nearness(bits=bits, colour=colour)

    def find(self, rows: Rows) -> list[Finding]:
        """Return `near_duplicate` for every such row, with the nearest; pictures with the very same pixels are no news here."""
        return [finding for side in (rows.trained, rows.measured_with) for finding in self._among(rows, side)]

    def _among(self, rows: Rows, side: NDArray[np.bool_]) -> list[Finding]:
        each = rows.different_pictures(side)
        prints = rows.prints(each)
        other, bits = self.near.nearest(prints, prints, itself=True)
        near = {int(each[at]): (int(each[other[at]]), bits[at]) for at in np.flatnonzero(other >= 0)}
        return [
            rows.finding(at, "near_duplicate", f"{bits} of 64 bits from {rows.called(other)}")
            for at, (other, bits) in near.items()
        ]
