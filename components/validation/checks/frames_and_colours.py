"""Files of which training sees something else than what lies in them: the first of several frames, other colours, turned."""

import numpy as np
import pyarrow.compute as pc

from components.validation.check import Check
from components.validation.findings import Finding
from components.validation.rows import Rows

_SAID = {
    "animated": "it holds more than one frame, and the first is seen",
    "cmyk_converted": "its pixels are CMYK, and are seen as RGB",
    "exif_rotated": "its EXIF turns it or mirrors it",
}


class FramesAndColours(Check):
    """What data/container.py read in the file."""

    def find(self, rows: Rows) -> list[Finding]:
        """Return `animated`, `cmyk_converted` and `exif_rotated` for every such row; one may have several."""
        return [
            rows.finding(at, reason, detail)
            for reason, detail in _SAID.items()
            for at in np.flatnonzero(np.asarray(pc.fill_null(rows.measured[reason], False)))
        ]
