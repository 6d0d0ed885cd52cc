"""Which rows are on a list of pictures: by the digest of their file, by that of their pixels, or because they look like one of it."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.validation.near import Nearness, Prints
from components.validation.rows import Rows
from components.validation.takedown import Takedown


def on_list(rows: Rows, listed: Takedown, near: Nearness) -> dict[int, str]:
    """Return row -> the line of the list, rows ascending; a digest says more than looks."""
    found: dict[int, str] = {}
    looks = np.array(listed.looks, np.uint64)
    held = Prints(hashes=looks, colours=np.full((len(looks), 3), 0.5, np.float32))
    other, bits = near.nearest(rows.prints(np.arange(len(rows))), held)
    for at in np.flatnonzero(other >= 0):
        found[int(at)] = f"looks like {looks[other[at]]:016x}, {bits[at]} of 64 bits apart"
    digests = pa.array(sorted(listed.digests), pa.string())
    for column in (rows.measured["pixel_sha256"], rows.manifest["sha256"]):
        for at in np.flatnonzero(np.asarray(pc.is_in(column, digests))):
            found[int(at)] = column[int(at)].as_py()
    return dict(sorted(found.items()))
