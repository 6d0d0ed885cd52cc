"""The data that a model was made from, as the lock entries of its package name it: in DVC's cache, or still in the workspace."""

import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from components.contracts.errors import DataError
from components.data.manifest import read_manifest
from components.stages.place import private


def staged_at(root: Path) -> Path:
    """Return where a removal makes the next data/raw, and leaves the one before until it is done: on the same disk."""
    return (root / "data/raw").resolve().with_name(".raw.without")


class Lineage:
    """Finds manifests by DVC's hashes; use as a context manager. Each is read once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._stack = ExitStack()
        self._read: dict[str, pa.Table | None] = {}
        self._cache: Any = None

    def __enter__(self) -> Self:
        from dvc.exceptions import NotDvcRepoError
        from dvc.repo import Repo

        config = {"core": {"site_cache_dir": str(private(self.root, "dvc"))}}
        try:
            self._cache = self._stack.enter_context(Repo(str(self.root), config=config)).cache.local
        except NotDvcRepoError:
            self._cache = None
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def manifest(self, about: Mapping[str, Any], folder: str) -> pa.Table | None:
        """Return the manifest of `folder` that a package was made from; None where neither cache nor workspace has it.

        Args:
            about: the package's manifest.json.
        """
        md5 = next((its[folder] for its in _entries(about) if folder in its), None)
        if md5 is not None:
            if md5 not in self._read:
                self._read[md5] = self._cached(md5)
            if self._read[md5] is not None:
                return self._read[md5]
        return self._here(about) if folder == "data/raw" else None

    def _cached(self, md5: str) -> pa.Table | None:
        """Return the manifest in the folder of that hash."""
        if self._cache is None:
            return None
        try:
            listed = json.loads(Path(self._cache.oid_to_path(md5)).read_text(encoding="utf-8"))
            file = next(entry["md5"] for entry in listed if entry["relpath"] == "manifest.parquet")
            return read_manifest(Path(self._cache.oid_to_path(file)))
        except (OSError, ValueError, StopIteration, KeyError, TypeError, DataError):
            return None  # not fetched, or of a version that had other columns

    def _here(self, about: Mapping[str, Any]) -> pa.Table | None:
        """Return the workspace's own snapshot, or the one that a removal has just put aside, where that is the package's."""
        for raw in (self.root / "data/raw", staged_at(self.root)):
            try:
                if json.loads((raw / "source.json").read_text(encoding="utf-8"))["digest"] == about.get("data_digest"):
                    return read_manifest(raw / "manifest.parquet")
            except (OSError, ValueError, KeyError, DataError):
                continue
        return None


def _entries(about: Mapping[str, Any]) -> list[Mapping[str, str]]:
    lock = about.get("lock")
    return [its for its in lock.values() if isinstance(its, dict)] if isinstance(lock, dict) else []
