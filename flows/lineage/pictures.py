"""Which data holds a picture: each data set of the workspace, and the data that a model was made from.

Each manifest is read once, for an index in .diptych that may be deleted at any time. It is known by DVC's hash where DVC has one, by
the digest of its rows, or by the time and size of the file.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from components.data.picture_index import Picture, PictureIndex, index_name
from components.registry.saw import tuned_by
from components.stages.place import private
from flows.lineage.entries import MANIFEST, RAW, Lineage, md5_of

SETS = (RAW, "data/validated", "data/evaluation/*", "data/curated/*", "data/learnt/*")


class Pictures:
    """Looks for pictures.

    Args:
        lineage: open, for what the workspace itself has not.
    """

    def __init__(self, root: Path, lineage: Lineage) -> None:
        self._root, self._lineage = root, lineage
        self._home = private(root, "lineage", "pictures")
        self._read: dict[str, PictureIndex | None] = {}

    def sets(self) -> Iterator[tuple[str, PictureIndex]]:
        """Yield each data set of the workspace: its path, and its rows."""
        for pattern in SETS:
            for path in sorted(self._root.glob(f"{pattern}/{MANIFEST}")):
                stat = path.stat()
                name = path.parent.relative_to(self._root).as_posix()
                of_all = index_name(name)
                own = f"{of_all}.{index_name(f'{stat.st_mtime_ns} {stat.st_size} {stat.st_ino}')}"
                if not (self._home / own).exists():
                    for before in self._home.glob(f"{of_all}.*"):  # of the same place, of which there is but one
                        shutil.rmtree(before, ignore_errors=True)
                index = self._index(own, path)
                assert index is not None
                yield name, index

    def of(self, about: Mapping[str, Any], folder: str) -> PictureIndex | None:
        """Return the rows of a folder that a package was made from; None where that can be had nowhere."""
        md5 = md5_of(about, folder)
        if md5 is None and folder != RAW:
            return None
        name = index_name(md5 or f"digest {about.get('data_digest')}")
        if name not in self._read and (index := PictureIndex.read(self._home / name)) is not None:
            self._read[name] = index  # and DVC, which takes half a second to be opened, need not be asked
        return self._read[name] if name in self._read else self._index(name, self._lineage.path(about, folder))

    def named(self, key: str, abouts: Sequence[Mapping[str, Any]]) -> Picture | None:
        """Return the picture of a key, from the workspace's data or any that a model was made from; None where none has it."""
        for _, index in self.sets():
            if (found := index.named(key)) is not None:
                return found
        for about in abouts:
            for folder in (RAW, f"data/curated/{about.get('recipe')}", tuned_by(about)):
                index_of = self.of(about, folder)
                if index_of is not None and (found := index_of.named(key)) is not None:
                    return found
        return None

    def _index(self, name: str, manifest: Path | None) -> PictureIndex | None:
        if name not in self._read:
            index = PictureIndex.read(self._home / name)
            if index is None and manifest is not None:
                index = PictureIndex.of(manifest)
                index.write(self._home / name)
            self._read[name] = index
        return self._read[name]


def source_of(root: Path, about: Mapping[str, Any], lineage: Lineage) -> dict[str, Any] | None:
    """Return what source.json says of the data that a package was made from; None where it can be had nowhere."""
    kept = private(root, "lineage", "sources") / f"{index_name(str(about.get('data_digest')))}.json"
    with suppress(OSError, ValueError):
        return dict(json.loads(kept.read_text(encoding="utf-8")))
    path = lineage.path(about, RAW, "source.json")
    if path is None:
        return None
    said = path.read_text(encoding="utf-8")
    with suppress(ValueError):
        found: dict[str, Any] = json.loads(said)
        kept.write_text(said, encoding="utf-8")
        return found
    return None
