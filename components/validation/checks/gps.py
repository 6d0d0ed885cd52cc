"""Pictures whose file says where they were taken. Training does not see it, but the shards hold the file as it came."""

import numpy as np
import pyarrow.compute as pc

from components.validation.check import Check
from components.validation.findings import Finding
from components.validation.rows import Rows


class Gps(Check):
    """A latitude in EXIF or XMP; where it is, the report does not say."""

    def find(self, rows: Rows) -> list[Finding]:
        """Return `gps` for every such row."""
        placed = np.asarray(pc.fill_null(rows.measured["says_where"], False))
        return [rows.finding(at, "gps", "its file holds the place where it was taken") for at in np.flatnonzero(placed)]
