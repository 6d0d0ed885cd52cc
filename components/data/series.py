"""series.parquet: which pictures are of one series, such as a product, a session or a person, for data that says so; a row a picture.

Of what the data calls a series a digest is kept, since it may be the name of a person.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from components.contracts.sample import Sample
from components.data.beside import Kind, read_kind

SCHEMA = pa.schema(
    [
        pa.field("key", pa.string()),  # of the sample
        pa.field("series", pa.string()),  # 16 hex digits
    ]
)


def _rows(sample: Sample) -> list[dict[str, Any]]:
    if not sample.series:
        return []
    return [{"key": sample.key, "series": hashlib.sha256(sample.series.encode()).hexdigest()[:16]}]


SERIES = Kind(name="series", schema=SCHEMA, rows=_rows, whole="series", counted=("series", "pictures"), in_order=False)


def series_in(folder: Path, keys: Sequence[str]) -> tuple[str | None, ...]:
    """Return the series of each of those samples by the table of a folder, None of one that is of none; empty where none is of any. DataError as of read_kind."""
    table = read_kind(folder, SERIES)
    of = {} if table is None else dict(zip(table["key"].to_pylist(), table["series"].to_pylist(), strict=True))
    found = tuple(of.get(key) for key in keys)
    return found if any(found) else ()
