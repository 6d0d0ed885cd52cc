"""What differs between two versions of data, by key: a row a sample that was added, removed or changed, and counts.

Memory is bounded by a number of rows: larger manifests are spread over files by their keys' hashes, and compared file by
file, so that ten times the rows take ten times the time and no more memory.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.contracts.errors import DataError
from components.contracts.sealed import sha256_of
from components.data.aside import RowFile
from components.data.kinds import KINDS
from components.data.versions.columns import Columns, columns_of
from components.data.versions.compared import SCHEMA, Counts, compare

ROWS_AT_ONCE = 250_000
_BATCH_ROWS = 16_384  # read at once
EXAMPLES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One side.

    Args:
        name: as a person calls it, such as HEAD~1.
        manifest: the file; tables of kinds, where there are some, lie beside it.
    """

    name: str
    manifest: Path

    @classmethod
    def at(cls, path: Path, name: str | None = None) -> "Version":
        """Return the version in a folder, or of a file; DataError when there is no manifest."""
        file = path / "manifest.parquet" if path.is_dir() else path
        if not file.is_file():
            raise DataError(
                f"{path} holds no manifest.parquet, so it is no version of data. Name a folder such as data/raw, or the manifest."
            )
        return cls(name=name or str(path), manifest=file)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What differs.

    Args:
        rows: of each side.
        counts: of samples.
        unlike: column or table -> why it is not compared.
        examples: the first rows of each change, as in SCHEMA.
        identical: whether both files are the same, byte for byte.
    """

    rows: tuple[int, int]
    counts: Counts
    unlike: Mapping[str, str]
    examples: Sequence[Mapping[str, Any]]
    identical: bool

    @property
    def equal(self) -> bool:
        """Return whether no sample differs."""
        return not (self.counts.added or self.counts.removed or self.counts.changed)

    def as_json(self) -> dict[str, Any]:
        """Return plain values, without examples."""
        counts = asdict(self.counts) | {"reasons": dict(self.counts.reasons.most_common())}
        return {"equal": self.equal, "rows": list(self.rows), **counts, "not_compared": dict(self.unlike)}


def difference(
    before: Version, after: Version, out: Path | None = None, rows_at_once: int = ROWS_AT_ONCE
) -> Difference:
    """Compare two versions, and write a row a difference to `out`, see SCHEMA; the file appears when it is whole.

    Args:
        rows_at_once: of a side, held in memory.

    Raises DataError for what is no manifest, or has a key twice.
    """
    schemas = [_schema(side) for side in (before, after)]
    rows = [pq.ParquetFile(side.manifest).metadata.num_rows for side in (before, after)]
    kinds = [
        kind.file for kind in KINDS if all((side.manifest.with_name(kind.file)).is_file() for side in (before, after))
    ]
    unlike = _lone_kinds(before, after)
    columns = columns_of(*schemas)
    counts, examples = Counts(), _Examples()
    identical = not unlike and all(_same(before, after, name) for name in (None, *kinds))
    with ExitStack() as stack:
        file = stack.enter_context(RowFile(out, SCHEMA)) if out is not None else None
        if identical:
            counts.same = rows[0]
        else:
            parts = max(1, -(-max(rows) // rows_at_once))
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="diptych-diff-")))
            for one, other in _parts(before, after, columns, kinds, parts, scratch):
                for table in compare(one, other, columns, counts, (before.name, after.name)):
                    examples.add(table)
                    if file is not None:
                        file.write_table(table)
    return Difference(
        rows=(rows[0], rows[1]), counts=counts, unlike=dict(columns.unlike) | unlike, examples=examples.rows,
        identical=identical,
    )  # fmt: skip


def _schema(side: Version) -> pa.Schema:
    try:
        schema = pq.read_schema(side.manifest)
    except (pa.ArrowException, OSError) as err:
        raise DataError(
            f"{side.name}: {side.manifest} cannot be read as Parquet ({err}). Fetch or make it again."
        ) from err
    if "key" not in schema.names:
        raise DataError(
            f"{side.name}: {side.manifest} has no column 'key', so its rows cannot be told apart. It has {', '.join(schema.names)}; "
            "name a manifest."
        )
    return schema


def _same(before: Version, after: Version, name: str | None) -> bool:
    one, other = (side.manifest if name is None else side.manifest.with_name(name) for side in (before, after))
    return one.stat().st_size == other.stat().st_size and sha256_of(one) == sha256_of(other)


def _lone_kinds(before: Version, after: Version) -> dict[str, str]:
    """Return the tables that one side alone has, with why they are not compared; one without rows says nothing."""
    unlike = {}
    for kind in KINDS:
        there = [_kind_rows(side, kind.file) for side in (before, after)]
        if any(there) and None in there:
            unlike[kind.file] = f"only the {'second' if there[0] is None else 'first'} has it"
    return unlike


def _kind_rows(side: Version, name: str) -> int | None:
    path = side.manifest.with_name(name)
    return pq.ParquetFile(path).metadata.num_rows if path.is_file() else None


def _parts(
    before: Version, after: Version, columns: Columns, kinds: Sequence[str], parts: int, scratch: Path
) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Yield the rows of both sides whose keys fall into one part, part by part."""
    spread = []
    for at, side in enumerate((before, after)):
        files = {"": (side.manifest, tuple(columns.both))}
        files |= {name: (side.manifest.with_name(name), ()) for name in kinds}
        spread.append({name: _spread(*file, parts, scratch / f"{at}{name}") for name, file in files.items()})
    for part in range(parts):
        sides = []
        for tables in spread:
            table = _cast(tables[""](part), columns)
            for name in kinds:
                table = table.append_column(name.removesuffix(".parquet"), _beside(tables[name](part), table["key"]))
            sides.append(table)
        yield sides[0], sides[1]


def _spread(path: Path, names: Sequence[str], parts: int, scratch: Path) -> Any:
    """Return what gives the rows of a part; of several parts, each becomes a file of its own."""
    opened = pq.ParquetFile(path)
    names = names or tuple(opened.schema_arrow.names)
    if parts == 1:
        return lambda _: opened.read(columns=list(names))
    scratch.mkdir()
    schema = pa.schema([opened.schema_arrow.field(name) for name in names])
    with ExitStack() as stack:
        files = [
            stack.enter_context(pq.ParquetWriter(scratch / str(part), schema, compression="none"))
            for part in range(parts)
        ]
        for batch in opened.iter_batches(_BATCH_ROWS * parts, columns=list(names)):
            table = pa.Table.from_batches([batch]).cast(schema)
            hashed = pd.util.hash_array(np.asarray(table["key"].to_pylist(), object)) % parts
            for part in range(parts):
                files[part].write_table(table.filter(pa.array(hashed == part)))
    return lambda part: pq.read_table(scratch / str(part), partitioning=None)


def _cast(table: pa.Table, columns: Columns) -> pa.Table:
    return pa.table({name: _as(table[name], kind) for name, kind in columns.both.items()})


def _as(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """Return the column in a type that the other side has too, fields of structs by their names."""
    try:
        return column.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
        return pa.chunked_array([pa.array(column.to_pylist(), kind)])


def _beside(table: pa.Table, keys: pa.ChunkedArray) -> pa.Array:
    """Return of each key what a table of a kind says of it, as text; null where that is nothing."""
    texts = [pc.fill_null(table[name].cast(pa.string()), "-") for name in table.column_names if name != "key"]
    rows = pa.table({"key": table["key"], "said": pc.binary_join_element_wise(*texts, pa.scalar(" "))})
    wholes = rows.group_by("key", use_threads=False).aggregate([("said", "list")])
    said = pc.binary_join(wholes["said_list"].combine_chunks(), "; ")
    return said.take(pc.index_in(keys, value_set=wholes["key"].combine_chunks()).combine_chunks())


class _Examples:
    """The first rows of each change."""

    def __init__(self) -> None:
        self._kept: dict[str, list[Mapping[str, Any]]] = {"added": [], "removed": [], "changed": []}

    def add(self, table: pa.Table) -> None:
        """Take the rows of a table, which are all of one change, while there is room."""
        if len(table) and len(kept := self._kept[table["change"][0].as_py()]) < EXAMPLES:
            kept.extend(table.slice(0, EXAMPLES - len(kept)).to_pylist())

    @property
    def rows(self) -> list[Mapping[str, Any]]:
        """Return them, added ones first."""
        return [row for rows in self._kept.values() for row in rows]
