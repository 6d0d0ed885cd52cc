"""Rows of Arrow streams and Parquet files, checked before they are touched, one at a time."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.data.sources.by_shard import ShardEnds

ARROW, PARQUET = ".arrow", ".parquet"
_END = b"\xff\xff\xff\xff\0\0\0\0"  # closes a stream; without it pyarrow ends as if all were read
_PARQUET_ROWS = 64  # read at once


def schema_of(path: Path) -> pa.Schema:
    """Return the columns of a file. ShardEnds when it is neither an Arrow stream nor Parquet, OSError when it is not there."""
    try:
        if path.suffix.lower() == PARQUET:
            return pq.read_schema(path)
        with pa.OSFile(str(path), "rb") as file, pa.ipc.open_stream(file) as stream:
            return stream.schema
    except (pa.ArrowException, OSError) as err:
        if isinstance(err, OSError) and err.errno is not None:
            raise
        raise ShardEnds(f"its columns cannot be read ({err})") from err


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (place from 0, column -> value); holds a batch, as its maker cut them, and one row of it as Python objects.

    Raises ShardEnds at the first batch that is damaged, and where an Arrow stream ends without its closing mark; OSError
    when the file cannot be read.
    """
    place = 0
    for batch in _batches(path, list(columns)):
        for row in range(batch.num_rows):
            yield place, {name: batch.column(name)[row].as_py() for name in columns}
            place += 1


def _batches(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    rows = 0
    try:
        for batch in _parquet(path, columns) if path.suffix.lower() == PARQUET else _stream(path, columns):
            batch.validate(full=True)  # offsets that lead out of the file's bytes would be read as they stand
            yield batch
            rows += batch.num_rows
    except (pa.ArrowException, OSError) as err:
        if isinstance(err, OSError) and err.errno is not None:  # the world's; pyarrow's own, of a cut file, has none
            raise
        raise ShardEnds(f"after {rows:,} rows it cannot be read on ({err})") from err
    if path.suffix.lower() != PARQUET and not _closed(path):
        raise ShardEnds(
            f"after {rows:,} rows it ends without the mark that closes an Arrow stream; more may have followed"
        )


def _stream(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    with pa.OSFile(str(path), "rb") as file, pa.ipc.open_stream(file) as stream:
        for batch in stream:
            yield batch.select(columns)


def _parquet(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(batch_size=_PARQUET_ROWS, columns=columns)


def _closed(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - len(_END)))
        return file.read() == _END
