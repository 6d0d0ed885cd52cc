"""Pictures in which a face is seen. They are only looked for where `gates.policy` names `face`, since that takes time."""

import numpy as np
import pyarrow.compute as pc

from components.validation.check import Check
from components.validation.findings import Finding
from components.validation.rows import Rows


class Face(Check):
    """What data/faces.py saw, where it was asked."""

    def find(self, rows: Rows) -> list[Finding]:
        """Return `face` for every such row; where nobody looked, nothing is found."""
        seen = np.asarray(pc.fill_null(rows.measured["face"], False))
        return [rows.finding(at, "face", "a face is seen in it, from the front") for at in np.flatnonzero(seen)]
