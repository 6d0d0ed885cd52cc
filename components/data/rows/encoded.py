"""The pictures of a manifest as bytes, read from the shards when they are asked for and not before."""

import os
from pathlib import Path
from typing import Any

import pyarrow as pa

from components.data.rows.lazy import LazyPictures
from components.data.shards import ShardReader

_BLOCK_ROWS = 1024


class EncodedPictures(LazyPictures):
    """Pictures of a manifest, each of which is checked against its sha256 when read.

    Asking raises BrokenMember, a DataError that names key and shard, for a picture that is not as the manifest promises.

    Args:
        manifest: rows of a manifest; in shard order, such as any manifest of ours, they are read in one sweep.
        raw: the folder of the shards.
    """

    def __init__(self, manifest: pa.Table, raw: Path) -> None:
        self.rows = manifest.select(["key", "shard", "offset", "size_bytes", "sha256"])
        self.raw = raw
        self._block: tuple[int, list[dict[str, Any]]] = (-1, [])
        self._reader: tuple[int, ShardReader] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, place: int) -> bytes:
        """Read it and check it."""
        return self._open().read(self._row(place))

    def start(self, place: int, size: int) -> bytes:
        """Read its first bytes, unchecked."""
        return self._open().start(self._row(place), size)

    def _row(self, place: int) -> dict[str, Any]:
        number, within = divmod(place, _BLOCK_ROWS)
        if self._block[0] != number:
            self._block = (number, self.rows.slice(number * _BLOCK_ROWS, _BLOCK_ROWS).to_pylist())
        return self._block[1][within]

    def _open(self) -> ShardReader:
        """Return the reader of this process: a forked one that shared a file would move its parent's place in it."""
        if self._reader is None or self._reader[0] != os.getpid():
            self._reader = (os.getpid(), ShardReader(self.raw))
        return self._reader[1]
