"""A selection from what a person tagged: samples marked `drop` go; where some are marked `keep`, those and no others stay."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from components.contracts.errors import DataError
from components.data.versions.keys import unknown_keys

KEEP, DROP = "keep", "drop"


def select_tagged(
    manifest: pa.Table, tags: Mapping[str, frozenset[str]], allow_unknown: bool = False
) -> tuple[pa.Table, dict[str, int]]:
    """Return the rows that stay, in their order, and counts: kept, dropped, untagged, unknown.

    Where nobody marked anything `keep`, what is not tagged stays; else it goes. DataError for tags that say both of a sample, for keys that
    the manifest does not have, and where nothing is tagged or nothing would be left.
    """
    both = sorted(key for key, its in tags.items() if {KEEP, DROP} <= its)
    if both:
        raise DataError(
            f"{len(both):,} samples are tagged {KEEP} and {DROP} both, such as {both[0]!r}. Take one of the tags off."
        )
    kept, dropped = (frozenset(key for key, its in tags.items() if tag in its) for tag in (KEEP, DROP))
    if not kept and not dropped:
        raise DataError(
            f"no sample is tagged {KEEP} or {DROP}, so there is nothing to select by. Tag some in FiftyOne, and export again."
        )
    keys = manifest["key"].to_pylist()
    unknown = sorted((kept | dropped) - set(keys))
    if unknown and not allow_unknown:
        raise unknown_keys(
            unknown, manifest, "the manifest", "Take the tags of another data set away, or add --allow-unknown."
        )
    stays = np.array([key in kept or (not kept and key not in dropped) for key in keys], bool)
    if not stays.any():
        raise DataError("the tags leave no sample, and an empty selection is none. Tag fewer as drop.")
    counts = {
        "kept": int(stays.sum()), "dropped": sum(key in dropped for key in keys),
        "untagged": sum(key not in kept and key not in dropped for key in keys), "unknown": len(unknown),
    }  # fmt: skip
    return manifest.filter(pa.array(stays)), counts
