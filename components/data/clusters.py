"""The clusters of each picture, to learn from: the columns `clusters` and `similarities` of a selection's columns.parquet.

Curation's step Cluster writes both: numbers from 0, the nearest centre first, and the cosine with each.
"""

from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

from components.contracts.errors import DataError

COLUMN, SIMILARITY = "clusters", "similarities"
CLUSTER = "List the step Cluster (components.curation.ops.cluster.Cluster) with labels, such as 8, in the recipe's curation.ops"


def read_clusters(path: Path, keys: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Return the clusters of each sample, as many of each, from a selection's columns.parquet, joined by key.

    Raises DataError where there is no such column, where it is of other samples, with how many, and where samples have other numbers of clusters.
    """
    there = pq.read_schema(path).names if path.is_file() else []
    if COLUMN not in there:
        has = f"has {', '.join(there)}" if there else "is not there"
        raise DataError(f"training.clusters is set, but {path.name} of the selection {has}. {CLUSTER}.")
    table = pq.read_table(path, columns=["key", COLUMN], partitioning=None)
    found = dict(zip(table["key"].to_pylist(), table[COLUMN].to_pylist(), strict=True))
    without, beside = [key for key in keys if not found.get(key)], len(set(found) - set(keys))
    if without or beside:
        some = f", such as {without[0]!r}" if without else ""
        raise DataError(
            f"{len(without):,} of {len(keys):,} samples have no clusters{some}, and {beside:,} that have some are not trained on: {path.name} is of "
            "another selection. Run curation again."
        )
    if len(counts := {len(found[key]) for key in keys}) > 1:
        raise DataError(
            f"samples have {min(counts)} to {max(counts)} clusters each, but all must have as many. {CLUSTER}."
        )
    return tuple(tuple(found[key]) for key in keys)
