"""Rows whose words fit the picture far less than is usual in this data, by a model that somebody names.

The model only knows what it was trained on: of a picture unlike that, or words in another language, it says little, so these
are told of too. One that was trained on these very rows has learned their mistakes, and finds fewer.
"""

import numpy as np
import pyarrow.compute as pc

from components.validation.check import Check
from components.validation.findings import Finding
from components.validation.rows import Rows


class Misfit(Check):
    """What fit.py says of the scores; where nobody scored, nothing is found."""

    def find(self, rows: Rows) -> list[Finding]:
        """Return `misfit` for every row further below the median than the bar, the worst of them to be shown first."""
        if rows.fit is None:
            return []
        scores = np.asarray(pc.fill_null(rows.measured["score"], np.nan), np.float64)
        below, fit = rows.fit.below(scores), rows.fit
        return [
            rows.finding(
                at, "misfit",
                f"a score of {scores[at]:.3f}, {below[at]:.1f} spreads below the median of {fit.median:.3f}; up to {fit.bar:g} is usual",
                weight=float(below[at]),
            )
            for at in np.flatnonzero(below > fit.bar)
        ]  # fmt: skip
