"""Pictures on the takedown list, data/takedown.txt, and those that look like one of which it has the perceptual hash."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.validation.check import Check
from components.validation.findings import Finding
from components.validation.near import Nearness, Prints
from components.validation.rows import Rows


class Takedown(Check):
    """Of every split.

    Args:
        bits: of the 64 of the perceptual hash that may differ from one on the list, whatever the colours.
    """

    def __init__(self, bits: int = 4) -> None:
        self.near = Nearness(bits=bits, colour=1.0)

    def find(self, rows: Rows) -> list[Finding]:
        """Return `takedown` for every such row, with the line of the list."""
        listed: dict[int, str] = {}
        looks = np.array(rows.takedown.looks, np.uint64)
        prints = rows.prints(np.arange(len(rows)))
        held = Prints(hashes=looks, colours=np.full((len(looks), 3), 0.5, np.float32))
        other, bits = self.near.nearest(prints, held)
        for at in np.flatnonzero(other >= 0):
            listed[int(at)] = f"looks like {looks[other[at]]:016x}, {bits[at]} of 64 bits apart"
        digests = pa.array(sorted(rows.takedown.digests), pa.string())
        for column in (rows.measured["pixel_sha256"], rows.manifest["sha256"]):
            for at in np.flatnonzero(np.asarray(pc.is_in(column, digests))):
                listed[int(at)] = column[int(at)].as_py()
        return [
            rows.finding(at, "takedown", f"data/takedown.txt lists it: {line}") for at, line in sorted(listed.items())
        ]
