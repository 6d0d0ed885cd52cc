"""Tables beside the manifest: what is known of samples of one kind, such as where pictures stand in their documents.

A file is written when the first row of its kind comes, so data without that kind has none.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.contracts.errors import DataError
from components.contracts.sample import Sample
from components.data.aside import RowFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What one such table holds.

    Args:
        name: of the file and of its counts in source.json, such as `documents`.
        schema: its columns; `key` is the sample's.
        rows: what a sample leaves there; nothing where it is not of this kind.
        whole: the column of which rows belong together.
        counted: what is counted, wholes and rows.
        in_order: whether those of one whole come one after the other, so that nobody has to remember which came.
    """

    name: str
    schema: pa.Schema
    rows: Callable[[Sample], Sequence[Mapping[str, Any]]]
    whole: str
    counted: tuple[str, str]
    in_order: bool = True

    @property
    def file(self) -> str:
        """Return the file's name."""
        return f"{self.name}.parquet"

    def count(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
        """Return what source.json keeps of these rows."""
        return dict(zip(self.counted, (len({row[self.whole] for row in rows}), len(rows)), strict=True))


class KindWriter:
    """Writes the table of one kind into a folder, see RowFile; `counted` is what source.json keeps of it."""

    def __init__(self, folder: Path, kind: Kind) -> None:
        self.kind = kind
        self.counted = dict.fromkeys(kind.counted, 0)
        self._path = folder / kind.file
        self._file: RowFile | None = None
        self._came: set[object] = set()  # the last whole, or where they are in no order all of them

    def __enter__(self) -> Self:
        return self

    def add(self, sample: Sample) -> None:
        """Take a sample; one that is not of this kind leaves no row."""
        wholes, parts = self.kind.counted
        for row in self.kind.rows(sample):
            if self._file is None:
                self._file = RowFile(self._path, self.kind.schema).__enter__()
            self._file.write_row(row)
            whole = row[self.kind.whole]
            self.counted[wholes] += whole not in self._came
            self.counted[parts] += 1
            if self.kind.in_order:
                self._came.clear()
            self._came.add(whole)

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.__exit__(kind, err, trace)


def read_kind(folder: Path, kind: Kind) -> pa.Table | None:
    """Return the rows; None where the data has none. DataError when the file is damaged, or none of this version."""
    path = folder / kind.file
    if not path.exists():
        return None
    try:
        table = pq.read_table(path, partitioning=None)
    except (pa.ArrowException, OSError) as err:
        raise DataError(f"{path} cannot be read as Parquet ({err}). Ingest again.") from err
    if table.schema != kind.schema:
        raise DataError(f"{path} has the columns {table.schema.names}; {kind.schema.names} are wanted. Ingest again.")
    return table


def rows_of(table: pa.Table, manifest: pa.Table) -> pa.Table:
    """Return the rows of a kind's table that are of a manifest's samples, in their order."""
    return table.filter(pc.is_in(table["key"], manifest["key"].combine_chunks()))


def rows_of_made(table: pa.Table, manifest: pa.Table, before: pa.Table) -> pa.Table:
    """Return the rows of a kind's table that are of a manifest's samples, those of samples that curation made among them.

    A sample that was made of another has its picture, at the same place of the same shard, and so the rows of that one, under its
    own key; they stand behind that one's. Those of a sample whose picture is none of these are none.

    Args:
        table: of the samples of `before`.
        manifest: whose samples are wanted.
        before: the manifest that it was made of.
    """
    known = pc.is_in(manifest["key"], before["key"].combine_chunks())
    if pc.all(known).as_py():
        return rows_of(table, manifest)
    owners = dict(zip(_places(before), before["key"].to_pylist(), strict=True))
    called: dict[str, list[str]] = {}  # key of before -> those of the manifest that have its picture, its own first
    for key, is_known, place in sorted(
        zip(manifest["key"].to_pylist(), known.to_pylist(), _places(manifest), strict=True), key=lambda one: not one[1]
    ):
        if owner := key if is_known else owners.get(place):
            called.setdefault(owner, []).append(key)
    rows: dict[str, list[int]] = {}
    for row, key in enumerate(table["key"].to_pylist()):
        rows.setdefault(key, []).append(row)
    pairs = [(row, name) for key, its in rows.items() for name in called.get(key, ()) for row in its]
    keys = pa.array([name for _, name in pairs], table.schema.field("key").type)
    repeated = table.take(pa.array([row for row, _ in pairs], pa.int64()))
    return repeated.set_column(table.column_names.index("key"), table.schema.field("key"), keys)


def _places(manifest: pa.Table) -> list[tuple[str, int]]:
    return list(zip(manifest["shard"].to_pylist(), manifest["offset"].to_pylist(), strict=True))


def write_kind(table: pa.Table, folder: Path, kind: Kind) -> None:
    """Write the table of one kind into a folder, also one without rows; the same rows make the same bytes."""
    with RowFile(folder / kind.file, kind.schema) as file:
        file.write_table(table)
