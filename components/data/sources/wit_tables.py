"""WIT's tables as Parquet, and back: one row at a time, so that a table of any size takes the memory of some thousand rows.

diptych data wit wit.tsv.gz wit.parquet    # a column each, of its kind; rows that are none in wit.quarantine.parquet
diptych data wit wit.parquet wit.tsv.gz    # and the TSV again, byte for byte
"""

import gzip
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from components.contracts.errors import ConfigError, DataError
from components.data.sources.wit_rows import (
    COLUMNS,
    BadRow,
    Numbered,
    WitRow,
    header_line,
    is_table,
    line_of,
    read_rows,
)

KINDS = {"int": pa.int32(), "bool": pa.bool_()}
SCHEMA = pa.schema(
    [
        pa.field(name, KINDS.get(getattr(kind, "__name__", ""), pa.string()))
        for name, kind in WitRow.__annotations__.items()
    ]
)
QUARANTINE = pa.schema(
    [("key", pa.string()), ("member", pa.string()), ("reason", pa.string()), ("detail", pa.string())]
)
_AT_ONCE = 4096  # rows


def convert(source: Path, out: Path) -> tuple[int, int]:
    """Write a table as Parquet, or Parquet as a table, by their names; return how many rows were written, and how many are none.

    Rows that are none stand in `<out>.quarantine.parquet`, which is not there where there are none. Raises ConfigError for names of other
    kinds and of the same kind, DataError for a table with other columns, OSError when a file cannot be read or written.
    """
    if not source.is_file():
        raise DataError(f"there is no file {source}. Name a table of WIT, or its Parquet.")
    if source.suffix.lower() == ".parquet" and is_table(out):
        return _to_tsv(source, out), 0
    if is_table(source) and out.suffix.lower() == ".parquet":
        return _to_parquet(source, out)
    raise ConfigError(f"{source.name} to {out.name} is none of .tsv or .tsv.gz to .parquet, or back. Name one of each.")


def rows_of(path: Path) -> Iterator[Numbered]:
    """Yield the rows of a table or of Parquet, numbered from 1 in the latter."""
    if path.suffix.lower() != ".parquet":
        yield from read_rows(path)
        return
    with _parquet(path) as file:
        number = 0
        for batch in file.iter_batches(batch_size=_AT_ONCE, columns=list(COLUMNS)):
            for row in batch.cast(SCHEMA).to_pylist():
                number += 1
                empty = [name for name in COLUMNS if row[name] is None and SCHEMA.field(name).type != pa.string()]
                if empty:
                    yield number, BadRow(reason="bad_cell", detail=f"{empty[0]} is empty")
                else:
                    yield number, WitRow(**row)


def is_wit_parquet(path: Path) -> bool:
    """Return whether a Parquet file has the 17 columns, others beside them or not."""
    try:
        return set(COLUMNS) <= set(pq.read_schema(path).names)
    except (pa.ArrowException, OSError):
        return False


def _parquet(path: Path) -> pq.ParquetFile:
    try:
        file = pq.ParquetFile(path)
    except pa.ArrowException as err:
        raise DataError(f"{path} cannot be read as Parquet ({err}). Write it again.") from err
    missing = [name for name in COLUMNS if name not in file.schema_arrow.names]
    if missing:
        raise DataError(f"{path} has no column {missing[0]!r}. WIT has {', '.join(COLUMNS)}.")
    return file


def _to_parquet(source: Path, out: Path) -> tuple[int, int]:
    partial = out.with_name(f".{out.name}.partial")
    rows, bad, count = list[WitRow](), list[dict[str, str]](), 0
    with pq.ParquetWriter(partial, SCHEMA, compression="zstd") as writer:
        for line, row in read_rows(source):
            if isinstance(row, BadRow):
                key = f"{source.name}, line {line}"
                bad.append({"key": key, "member": source.name, "reason": row.reason, "detail": row.detail})
                continue
            rows.append(row)
            count += 1
            if len(rows) == _AT_ONCE:
                writer.write_table(pa.Table.from_pylist([asdict(one) for one in rows], SCHEMA))
                rows.clear()
        writer.write_table(pa.Table.from_pylist([asdict(one) for one in rows], SCHEMA))
    partial.replace(out)
    aside = out.with_suffix(".quarantine.parquet")
    aside.unlink(missing_ok=True)
    if bad:
        pq.write_table(pa.Table.from_pylist(bad, QUARANTINE), aside)
    return count, len(bad)


def _to_tsv(source: Path, out: Path) -> int:
    partial, count = out.with_name(f".{out.name}.partial"), 0
    with _written(partial, out.suffix.lower() == ".gz") as file:
        file.write(header_line())
        for number, row in rows_of(source):
            if isinstance(row, BadRow):
                raise DataError(
                    f"{source}, row {number}: {row.detail}, and a table cannot say so. Fill it, or leave the row out."
                )
            file.write(line_of(row))
            count += 1
    partial.replace(out)
    return count


def _written(path: Path, packed: bool) -> BinaryIO:
    if not packed:
        return path.open("wb")
    return cast(BinaryIO, gzip.GzipFile(path, "wb", mtime=0))  # no time, so that the same rows are the same bytes
