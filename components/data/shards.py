"""Shards as they are read: tar files in WebDataset's layout, by seek. How they are written: components/data/shard_writer.py.

Each sample is two members side by side, `<key>.png` (or .jpg, .webp) and `<key>.json` (texts, labels, source, licence),
so any WebDataset reader can use them. Our own reading trusts the manifest, never the tar's headers, checks every
picture's digest, and runs nothing that a shard holds.
"""

import hashlib
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Self

import pyarrow as pa

from components.contracts.errors import DataError
from components.contracts.sample import SPLITS

MAX_PICTURE_BYTES = 64 * 2**20
_SHARD = re.compile(rf"(?:{'|'.join(SPLITS)})/[0-9]{{6}}\.tar")


class BrokenMember(DataError):
    """A picture is not in its shard as the manifest says.

    `reason` is the code that quarantine gives it: `missing_member` or `sha_mismatch`.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ShardReader:
    """Reads pictures of a manifest's rows and keeps one shard open, so rows in shard order are read in one sweep."""

    def __init__(self, raw: Path) -> None:
        self.raw = raw
        self._shard = ""
        self._file: io.BufferedReader | None = None

    def read(self, row: Mapping[str, Any]) -> bytes:
        """Return the encoded picture of a row. Raises BrokenMember when the shard does not hold it, or holds other bytes."""
        key, shard, size = row["key"], row["shard"], row["size_bytes"]
        data = self.start(row)
        if len(data) < size:
            raise BrokenMember(
                "missing_member",
                f"shard {self.raw / shard} ends before sample {key} does ({len(data)} of its {size} bytes are there): the file "
                "was cut short. Fetch it again with `dvc checkout` or `dvc pull`, or ingest again.",
            )
        if hashlib.sha256(data).hexdigest() != row["sha256"]:
            raise BrokenMember(
                "sha_mismatch",
                f"sample {key} in shard {self.raw / shard} is not what the manifest's sha256 promises: the shard was changed "
                "after it was made. Restore it with `dvc checkout`, or ingest again.",
            )
        return data

    def start(self, row: Mapping[str, Any], most: int | None = None) -> bytes:
        """Return the picture, or its first `most` bytes, unchecked; BrokenMember where it can be at no such place."""
        key, shard, offset, size = row["key"], row["shard"], row["offset"], row["size_bytes"]
        if not (isinstance(shard, str) and _SHARD.fullmatch(shard)):
            raise BrokenMember(
                "missing_member", f"sample {key} names the shard {shard!r}, which is no shard's name. Ingest again."
            )
        if offset is None or size is None or offset < 0 or not 0 <= size <= MAX_PICTURE_BYTES:
            raise BrokenMember(
                "missing_member", f"sample {key} lies at {offset} with {size} bytes of {shard}. Ingest again."
            )
        file = self._open(shard, key)
        file.seek(offset)
        return file.read(size if most is None else min(size, most))

    def _open(self, shard: str, key: str) -> io.BufferedReader:
        if self._file is None or shard != self._shard:
            self.close()
            try:
                self._file = (self.raw / PurePosixPath(shard)).open("rb")
            except OSError as err:
                raise BrokenMember(
                    "missing_member",
                    f"shard {self.raw / shard}, which holds sample {key}, cannot be opened ({err.strerror}). "
                    "Fetch it with `dvc checkout` or `dvc pull`, or ingest again.",
                ) from err
            self._shard = shard
        return self._file

    def close(self) -> None:
        """Close the shard that is open, if one is."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_pictures(raw: Path, table: pa.Table) -> Iterator[tuple[str, bytes]]:
    """Yield (key, encoded picture) for every row, in the table's own order, each checked against its sha256.

    Raises BrokenMember, a DataError that names key and shard, at the first picture that is not as promised. A table
    in shard order, such as any manifest of ours, is read in one sweep.
    """
    wanted = table.select(["key", "shard", "offset", "size_bytes", "sha256"])
    with ShardReader(raw) as reader:
        for batch in wanted.to_batches(max_chunksize=4096):
            for row in batch.to_pylist():
                yield row["key"], reader.read(row)
