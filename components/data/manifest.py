"""The manifest: one row a sample, with where its picture lies in the shards, what it is, and what is said of it.

Rows can be read without opening a shard, and a picture by one seek. The same rows make the same file, byte for byte,
so that DVC sees a change only where there is one.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.contracts.errors import DataError
from components.data.aside import RowFile
from components.data.row_json import json_rows

LABELS = ("concept", "category", "subcategory")
_BATCH_ROWS = 16_384  # made into JSON at once

_TEXT = pa.struct([pa.field("text", pa.string()), pa.field("kind", pa.string()), pa.field("lang", pa.string())])
SCHEMA = pa.schema(
    [
        pa.field("key", pa.string()),
        pa.field("split", pa.string()),
        pa.field("source", pa.string()),  # the designer
        pa.field("licence", pa.string()),  # SPDX identifier
        pa.field("shard", pa.string()),  # path below data/raw, such as train/000000.tar
        pa.field("offset", pa.int64()),  # bytes from the shard's start to the picture's first byte
        pa.field("size_bytes", pa.int64()),  # of the encoded picture
        pa.field("sha256", pa.string()),  # of the encoded picture
        pa.field("pixel_sha256", pa.string()),  # of size and RGB on white; null when undecodable
        pa.field("width", pa.int32()),  # pixels; null when undecodable
        pa.field("height", pa.int32()),
        pa.field("texts", pa.list_(_TEXT)),
        pa.field("labels", pa.struct([pa.field(name, pa.string()) for name in LABELS])),
    ],
    metadata={"diptych.manifest": "1"},
)


class ManifestWriter(RowFile):
    """Writes rows as they come, and takes their digest; the file appears when it is whole. Use as a context manager."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, SCHEMA)
        self.digest = SnapshotDigest()

    def add(self, row: Mapping[str, Any]) -> None:
        """Take one row, a mapping with the names of SCHEMA; DataError for a name too many or too few."""
        if set(row) != set(SCHEMA.names):
            raise DataError(
                f"a manifest row has the columns {sorted(row)}. It must have exactly {SCHEMA.names}; "
                "add what is missing, as null where it is not known."
            )
        self.digest.add(row)
        self.write_row(row)

    def add_table(self, table: pa.Table) -> None:
        """Take all rows of a table in the manifest's schema; the file is the same as from one row after another."""
        self.digest.add_table(table)
        self.write_table(table)


class SnapshotDigest:
    """SHA-256 over the rows themselves, in order: the name of a snapshot, whichever version of Parquet wrote it."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, row: Mapping[str, Any]) -> None:
        """Take one row."""
        ordered = {name: row[name] for name in SCHEMA.names}
        self._hash.update(json.dumps(ordered, ensure_ascii=False, sort_keys=True).encode() + b"\n")

    def add_table(self, table: pa.Table) -> None:
        """Take all rows of a table in the manifest's schema: the same digest as one by one, and far sooner."""
        for batch in table.select(SCHEMA.names).to_batches(max_chunksize=_BATCH_ROWS):
            lines = pc.binary_join_element_wise(json_rows(batch), pa.scalar(""), pa.scalar("\n"))
            self._hash.update("".join(lines.to_pylist()).encode())

    def hexdigest(self) -> str:
        """Return the digest of the rows so far, 64 hex digits."""
        return self._hash.hexdigest()


def write_manifest(table: pa.Table, path: Path) -> str:
    """Write rows as a manifest and return their snapshot digest; DataError when the columns are others."""
    with ManifestWriter(path) as writer:
        writer.add_table(conform(table, str(path)))
    return writer.digest.hexdigest()


def read_manifest(path: Path) -> pa.Table:
    """Return the rows. DataError when the file is missing, damaged, or not a manifest of this version."""
    try:
        table = pq.read_table(path, partitioning=None)
    except FileNotFoundError as err:
        raise DataError(f"{path} is missing. Run the stage that writes it; `dvc repro` knows which.") from err
    except (pa.ArrowException, OSError) as err:
        raise DataError(f"{path} cannot be read as Parquet ({err}). Delete it and run `dvc repro` again.") from err
    return conform(table, str(path))


def conform(table: pa.Table, name: str) -> pa.Table:
    """Return the table in the manifest's schema; DataError naming the first column that is missing, extra or typed otherwise."""
    for field in SCHEMA:
        if field.name not in table.column_names:
            raise DataError(
                f"{name} has no column {field.name!r}, so it is not a manifest of this version. Ingest again."
            )
        found = table.schema.field(field.name).type
        if found != field.type:
            raise DataError(f"{name} has {field.name!r} as {found}, but a manifest keeps {field.type}. Ingest again.")
    extra = sorted(set(table.column_names) - set(SCHEMA.names))
    if extra:
        raise DataError(f"{name} has columns that no manifest has: {', '.join(extra)}. Drop them before writing.")
    return table.select(SCHEMA.names).cast(SCHEMA)


def snapshot_digest(table: pa.Table) -> str:
    """Return the digest of the rows in order, equal to what `write_manifest` returns for them."""
    digest = SnapshotDigest()
    digest.add_table(table)
    return digest.hexdigest()
