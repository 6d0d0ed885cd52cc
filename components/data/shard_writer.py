"""Shards as they are written: a new one whenever the last is full, each under its name only when it is whole.

The same samples make the same bytes, on every machine. How they are read, and what they hold: components/data/shards.py.
"""

import io
import json
import re
import tarfile
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self, cast

from components.contracts.errors import DataError
from components.contracts.sample import SPLITS, Sample
from components.data.aside import Aside
from components.data.kept import KeptShard, KeptShards
from components.data.seen import Seen

SHARD_BYTES = 8 * 2**20
_BLOCK = tarfile.BLOCKSIZE
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")  # no dot: WebDataset takes what follows the first one for a suffix


class Placed(NamedTuple):
    """Where a sample was written: the shard, the picture's first byte in it, and what was seen of it where that is known."""

    shard: str
    offset: int
    seen: Seen | None


class NewShard:
    """A shard that is written aside, and has its name when it is whole."""

    def __init__(self, path: Path) -> None:
        self._aside = Aside(path)
        self._file = self._aside.partial.open("wb")

    def write(self, data: bytes) -> int:
        """Take the bytes that come next."""
        with self._aside.explaining():
            return self._file.write(data)

    def tell(self) -> int:
        """Return how many bytes were taken."""
        return self._file.tell()

    def seen(self) -> None:
        """Return what was seen of the next picture: nothing yet."""

    def put(self) -> None:
        """Finish it."""
        with self._aside.explaining():
            self._file.close()
        self._aside.put()

    def drop(self) -> None:
        """Leave nothing of it."""
        with suppress(OSError):  # what it still holds may have no room
            self._file.close()
        self._aside.drop()


class ShardWriter:
    """Writes samples of one split below `raw`, a new shard whenever one has reached `shard_bytes`.

    Use as a context manager: left by an exception, it leaves nothing of the shard that was open.

    Args:
        kept: whole shards of a run that was stopped; where the samples are those of such a shard, it is used again.
    """

    def __init__(self, raw: Path, split: str, shard_bytes: int = SHARD_BYTES, kept: KeptShards | None = None) -> None:
        if split not in SPLITS:
            raise DataError(f"split {split!r} is none of {', '.join(SPLITS)}; give each sample one of these.")
        self.raw = raw
        self.split = split
        self.shard_bytes = shard_bytes
        self.kept = kept
        self._count = 0
        self._open: tuple[NewShard | KeptShard, tarfile.TarFile] | None = None

    def add(self, sample: Sample) -> Placed:
        """Write both members. Raises DataError for a key a tar cannot name, SourceChanged where a kept shard has another."""
        media = sample.media[0]
        if not _KEY.fullmatch(sample.key) or not media.member.startswith(sample.key + "."):
            raise DataError(
                f"sample {sample.key!r} with member {media.member!r} cannot be named in a shard. "
                "A key is at most 80 letters, digits, - and _, and its picture is called <key>.<suffix>."
            )
        words = {
            "texts": [{"text": text.text, "kind": text.kind, "lang": text.lang} for text in sample.texts],
            "labels": dict(sample.labels),
            "source": sample.source,
            "licence": sample.licence,
        }
        shard, tar = self._with_room()
        offset = _add_member(tar, media.member, media.data)
        _add_member(tar, f"{sample.key}.json", json.dumps(words, ensure_ascii=False, sort_keys=True).encode())
        return Placed(self._name(self._count - 1), offset, shard.seen())

    def _with_room(self) -> tuple[NewShard | KeptShard, tarfile.TarFile]:
        """Return the shard that is open, a new one where it is full."""
        if self._open is not None and self._open[1].offset >= self.shard_bytes:
            self.close()
        if self._open is None:
            name = self._name(self._count)
            found = self.kept.find(name, self.raw / name) if self.kept is not None else None
            shard = found or NewShard(self.raw / name)
            tar = tarfile.TarFile(fileobj=cast(BinaryIO, shard), mode="w", format=tarfile.USTAR_FORMAT)
            self._open = shard, tar
            self._count += 1
        return self._open

    def _name(self, number: int) -> str:
        return f"{self.split}/{number:06d}.tar"

    def close(self) -> None:
        """Finish the shard that is open, if one is."""
        if self._open is not None:
            shard, tar = self._open
            tar.close()
            shard.put()
            self._open = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self.close()
        finally:
            if self._open is not None:
                self._open[0].drop()


def _add_member(tar: tarfile.TarFile, name: str, data: bytes) -> int:
    """Return the offset of the member's first byte."""
    info = tarfile.TarInfo(name)  # time 0, owner 0, no names: nothing of this machine
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))
    return tar.offset - -(-len(data) // _BLOCK) * _BLOCK
