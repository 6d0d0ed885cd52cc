"""Shards that were whole when an ingest was stopped, with what was seen of their pictures, so that the next need not look again.

The next run reads the source anew. Where it comes to a shard that was kept, it compares what it would write with it, byte
for byte, and hands on what was seen then. Of a shard: `<split>/<number>.tar`, and beside it `.seen`: the sha256 of what follows,
and as JSON the sha256 of the shard and what was seen of its pictures, in order.
"""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import astuple
from pathlib import Path

from components.data.aside import Aside
from components.data.seen import Seen

_NO_LINKS = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS})


class SourceChanged(Exception):
    """The source does not give what it gave when a shard was kept."""


class KeptShard:
    """A shard that was kept, written as any other is: what is written must be what it holds already."""

    def __init__(self, kept: Path, path: Path, seen: Sequence[Seen]) -> None:
        self._kept, self._path = kept, path
        self._seen = iter(seen)
        self._file = kept.open("rb")

    def write(self, data: bytes) -> int:
        """Take the bytes that come next; SourceChanged when they are others."""
        if self._file.read(len(data)) != data:
            raise SourceChanged
        return len(data)

    def tell(self) -> int:
        """Return how many bytes were taken."""
        return self._file.tell()

    def seen(self) -> Seen:
        """Return what was seen of the next picture."""
        try:
            return next(self._seen)
        except StopIteration:
            raise SourceChanged from None

    def put(self) -> None:
        """Finish it, under its path; SourceChanged when it holds more than was written."""
        with self._file:
            if self._file.read(1):
                raise SourceChanged
        link(self._kept, self._path)

    def drop(self) -> None:
        """Leave it where it is kept."""
        self._file.close()


class KeptShards:
    """The whole shards of an ingest, in a folder that outlives it.

    Args:
        folder: one for each source and its settings; what it holds is checked before it is used.
        tell: gets a sentence where something that was kept is of no use.
    """

    def __init__(self, folder: Path, tell: Callable[[str], None] = print) -> None:
        self.folder = folder
        self.used = 0
        self._tell = tell
        self._used: set[str] = set()
        self._growing: dict[str, tuple[str, list[Seen]]] = {}

    def find(self, shard: str, path: Path) -> KeptShard | None:
        """Return the shard of that name, such as train/000000.tar, to be put at `path`; None where none is kept whole."""
        kept, beside = self._paths(shard)
        try:
            said, _, rest = beside.read_bytes().partition(b"\n")
            with kept.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            return None
        held = json.loads(rest) if hashlib.sha256(rest).hexdigest().encode() == said else None
        if held is None or held["shard"] != digest:
            self._tell(f"{kept} is not what was kept there: it was changed or cut short. It is made anew.")
            return None
        self._used.add(shard)
        self.used += 1
        names = ("sha256", "pixel_sha256", "width", "height")
        return KeptShard(kept, path, [Seen(**dict(zip(names, one, strict=True))) for one in held["seen"]])

    def add(self, raw: Path, shard: str, seen: Seen) -> None:
        """Take what was seen of the next picture of a shard below `raw`; the split's shard before it is whole, and kept."""
        split = shard.partition("/")[0]
        before, all_seen = self._growing.get(split, (shard, []))
        if before != shard:
            if before not in self._used:
                self._keep(raw / before, before, all_seen)
            all_seen = []
        all_seen.append(seen)
        self._growing[split] = shard, all_seen

    def _keep(self, path: Path, shard: str, seen: Sequence[Seen]) -> None:
        kept, beside = self._paths(shard)
        beside.unlink(missing_ok=True)  # of another shard: it must not lie beside this one
        link(path, kept)
        with kept.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        rest = json.dumps({"shard": digest, "seen": [astuple(one) for one in seen]}).encode()
        aside = Aside(beside)
        with aside.explaining():
            aside.partial.write_bytes(hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest)
            aside.put()

    def forget(self) -> None:
        """Remove all that is kept, since the source has changed."""
        self._tell(
            f"the source does not give what it gave when the shards in {self.folder} were kept. They go, and all is made anew."
        )
        for path in [one for one in self.folder.rglob("*") if one.is_file()]:
            path.unlink()
        self.used = 0
        self._used.clear()
        self._growing.clear()

    def _paths(self, shard: str) -> tuple[Path, Path]:
        kept = self.folder / shard
        return kept, kept.with_suffix(".seen")


def link(path: Path, to: Path) -> None:
    """Have a file under another name too, without taking room where the file system can do so."""
    aside = Aside(to)
    aside.drop()  # of a run that was killed here
    with aside.explaining():
        try:
            os.link(path, aside.partial)
        except OSError as err:
            if err.errno not in _NO_LINKS:
                raise
            shutil.copyfile(path, aside.partial)
        aside.put()
