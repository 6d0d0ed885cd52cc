"""Files that appear whole or not at all: written beside their name, as `<name>.partial`, and renamed when they are whole."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP_ROWS = 4096


class Aside:
    """A file that is being written: `partial` is where, and `path` what it will be called."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.partial = path.with_name(path.name + ".partial")

    def put(self) -> None:
        """Give it its name; what was called so before is gone."""
        self.partial.replace(self.path)

    def drop(self) -> None:
        """Leave nothing of it."""
        self.partial.unlink(missing_ok=True)

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """Name the file in an error of the system, which does not do so where a write fails, and leave nothing of it."""
        try:
            yield
        except OSError as err:
            self.drop()
            raise OSError(err.errno, err.strerror or str(err), os.fspath(self.partial)) from err


class RowFile:
    """A Parquet file, written a row group at a time; the same rows make the same bytes, however they come.

    Keeps at most ROW_GROUP_ROWS rows in memory. Use as a context manager: left by an exception, it leaves no file.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path = path
        self.schema = schema
        self.rows_written = 0
        self._waiting: list[Mapping[str, Any]] = []

    def __enter__(self) -> Self:
        self._aside = Aside(self.path)
        self._file = pq.ParquetWriter(self._aside.partial, self.schema, compression="zstd")
        return self

    def write_row(self, row: Mapping[str, Any]) -> None:
        """Take one row, a mapping with the schema's names."""
        self._waiting.append(row)
        if len(self._waiting) == ROW_GROUP_ROWS:
            self._write(pa.Table.from_pylist(self._waiting, self.schema))
            self._waiting = []

    def write_table(self, table: pa.Table) -> None:
        """Take all rows of a table in the schema."""
        if self._waiting:
            table = pa.concat_tables([pa.Table.from_pylist(self._waiting, self.schema), table])
        whole = len(table) - len(table) % ROW_GROUP_ROWS
        for start in range(0, whole, ROW_GROUP_ROWS):
            self._write(table.slice(start, ROW_GROUP_ROWS).combine_chunks())  # where chunks end, pages would
        self._waiting = table.slice(whole).to_pylist()

    def _write(self, group: pa.Table) -> None:
        self._file.write_table(group, row_group_size=ROW_GROUP_ROWS)
        self.rows_written += len(group)

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            with suppress(OSError):  # on a full disk closing fails too, and what was raised says more
                self._file.close()
            return self._aside.drop()
        try:
            if self._waiting:
                self._write(pa.Table.from_pylist(self._waiting, self.schema))
            self._file.close()
            self._aside.put()
        except BaseException:
            self._aside.drop()
            raise
