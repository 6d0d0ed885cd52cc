"""Long strips, such as banners and screenshots of whole pages: a square crop of one shows little of it."""

import numpy as np

from components.validation.check import Check
from components.validation.findings import Finding
from components.validation.rows import Rows


class Aspect(Check):
    """The longer side against the shorter one.

    Args:
        most: times as long as it is wide, or as wide as it is long, that a picture may be.
    """

    def __init__(self, most: float = 8.0) -> None:
        self.most = most

    def find(self, rows: Rows) -> list[Finding]:
        """Return `aspect` for every row whose picture is longer than that."""
        width, height = (np.asarray(rows.measured[side], np.float64) for side in ("width", "height"))
        longer, shorter = np.maximum(width, height), np.minimum(width, height)
        return [
            rows.finding(at, "aspect", f"{width[at]:.0f} x {height[at]:.0f} pixels; more than {self.most:g} to 1")
            for at in np.flatnonzero(longer > self.most * shorter)
        ]
