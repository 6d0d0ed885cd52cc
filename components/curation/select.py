"""Select by split: the simplest curation there is. A selection is a manifest over the same shards; no bytes move."""

from collections.abc import Sequence
from difflib import get_close_matches

import pyarrow as pa
import pyarrow.compute as pc

from components.contracts.curation import EXAMPLES, Report
from components.contracts.errors import ConfigError, DataError, LeakageError
from components.contracts.sample import SPLITS, TEST_SPLITS


def select_splits(manifest: pa.Table, splits: Sequence[str] = ("train", "val")) -> tuple[pa.Table, Report]:
    """Return the rows of these splits, in their order, and the counts.

    Raises LeakageError for a test split, ConfigError for one that does not exist, DataError when a split has no rows.
    """
    for split in splits:
        if split in TEST_SPLITS:
            raise LeakageError(
                f"curation asks for the split {split!r}, which is only ever tested on. A model that has seen it cannot be "
                f"measured with it; select from {', '.join(split for split in SPLITS if split not in TEST_SPLITS)}."
            )
        if split not in SPLITS:
            near = get_close_matches(split, SPLITS, n=1, cutoff=0)[0]
            raise ConfigError(f"curation asks for the split {split!r}, which is none of ours. Did you mean {near}?")
    wanted = pc.is_in(manifest["split"], pa.array(splits, pa.string()))
    selected = manifest.filter(wanted)
    for split in splits:
        if split not in selected["split"].unique().to_pylist():
            raise DataError(
                f"no sample of the split {split!r} came through validation, so nothing can be built on it. Ingest more."
            )
    left_out = manifest.filter(pc.invert(wanted))["key"]
    reason = {"split_not_selected": len(left_out)} if len(left_out) else {}
    return selected, Report(
        op="select_splits",
        rows_in=len(manifest),
        rows_out=len(selected),
        dropped=reason,
        examples={name: tuple(left_out.slice(0, EXAMPLES).to_pylist()) for name in reason},
    )
