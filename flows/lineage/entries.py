"""The data that a model was made from, as the lock entries of its package name it: in DVC's cache, or still in the workspace."""

import json
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from components.contracts.errors import DataError
from components.contracts.model_files import REPLAYED
from components.stages.place import private

if TYPE_CHECKING:
    import pyarrow as pa

RAW, MANIFEST = "data/raw", "manifest.parquet"


def staged_at(root: Path) -> Path:
    """Return where a removal makes the next data/raw, and leaves the one before until it is done: on the same disk."""
    return (root / "data/raw").resolve().with_name(".raw.without")


class Lineage:
    """Finds what a package was made from by DVC's hashes; use as a context manager. DVC is asked once there is need, each manifest read once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._stack = ExitStack()
        self._read: dict[str, pa.Table | None] = {}
        self._opened = False
        self._cache: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def manifest(self, about: Mapping[str, Any], folder: str) -> "pa.Table | None":
        """Return the manifest of `folder` that a package was made from; None where neither cache nor workspace has it.

        Args:
            about: the package's manifest.json.
        """
        from components.data.manifest import read_manifest  # imports pandas, which who asks for a path alone need not

        md5 = md5_of(about, folder)
        if md5 is not None and md5 not in self._read:
            path = self.cached(md5, rows_in(folder))
            try:
                self._read[md5] = None if path is None else read_manifest(path)
            except DataError:  # of a version that had other columns
                self._read[md5] = None
        if md5 is not None and self._read[md5] is not None:
            return self._read[md5]
        path = self.here(about) if folder == RAW else None
        try:
            return None if path is None else read_manifest(path)
        except DataError:
            return None

    def path(self, about: Mapping[str, Any], folder: str, name: str = "") -> Path | None:
        """Return where a file of `folder` lies that a package was made from; None where it can be had nowhere. Only to be read."""
        name, md5 = name or rows_in(folder), md5_of(about, folder)
        path = None if md5 is None else self.cached(md5, name)
        if path is None and folder == RAW and (beside := self.here(about)) is not None:
            path = beside.with_name(name)
        return path if path is not None and path.exists() else None

    def cached(self, md5: str, name: str) -> Path | None:
        """Return where DVC's cache has a file of the folder of that hash; None where it has not."""
        md5s = self.listed(md5)
        path = None if md5s is None or name not in md5s else Path(self._dvc().oid_to_path(md5s[name]))
        return path if path is not None and path.exists() else None

    def files(self, md5: str) -> dict[str, Path] | None:
        """Return name -> place in DVC's cache of all files in the folder of that hash; None where one is missing."""
        listed = self.listed(md5)
        places = None if listed is None else {name: Path(self._dvc().oid_to_path(its)) for name, its in listed.items()}
        return places if places is not None and all(place.exists() for place in places.values()) else None

    def listed(self, md5: str) -> dict[str, str] | None:
        """Return name -> hash of the files in the folder of that hash; None where DVC's cache does not know."""
        if self._dvc() is None:
            return None
        try:
            listed = json.loads(Path(self._cache.oid_to_path(md5)).read_text(encoding="utf-8"))
            return {entry["relpath"]: entry["md5"] for entry in listed}
        except (OSError, ValueError, KeyError, TypeError):
            return None  # not fetched

    def _dvc(self) -> Any:
        """Return DVC's cache; None outside of its workspaces."""
        if not self._opened:
            from dvc.exceptions import NotDvcRepoError
            from dvc.repo import Repo

            config = {"core": {"site_cache_dir": str(private(self.root, "dvc"))}}
            self._opened = True
            with suppress(NotDvcRepoError):
                self._cache = self._stack.enter_context(Repo(str(self.root), config=config)).cache.local
        return self._cache

    def here(self, about: Mapping[str, Any]) -> Path | None:
        """Return the manifest of the workspace's own snapshot, or of the one that a removal has just put aside, where that is the package's."""
        for raw in (self.root / RAW, staged_at(self.root)):
            try:
                if json.loads((raw / "source.json").read_text(encoding="utf-8"))["digest"] == about.get("data_digest"):
                    return raw / MANIFEST
            except (OSError, ValueError, KeyError):
                continue
        return None


def rows_in(folder: str) -> str:
    """Return the file of a folder that has its rows: a manifest, or of a tuned model what it learnt from again."""
    return REPLAYED if folder.startswith("runs/") else MANIFEST


def md5_of(about: Mapping[str, Any], folder: str) -> str | None:
    """Return DVC's hash of a folder, as a package's manifest.json has it; None where it says none."""
    lock = about.get("lock")
    entries = [its for its in lock.values() if isinstance(its, dict)] if isinstance(lock, dict) else []
    return next((str(its[folder]) for its in entries if folder in its), None)
