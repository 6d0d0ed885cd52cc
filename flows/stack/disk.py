"""How much of the disk what a workspace keeps takes, and how much is free."""

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flows.stack.backup import cache_of
from flows.stack.place import Place, is_made
from flows.stack.postgres import cluster_of

LOOKS_FOR_S = 3.0  # at all folders together; somebody waits for it


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What one folder takes.

    Args:
        what: in words.
        folder: where.
        size_bytes: of the disk; a file with several names counts where it was met first.
        whole: whether all of it was looked at, or it may be more: time was over, or a folder is closed to us.
    """

    what: str
    folder: Path
    size_bytes: int
    whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """The disks of a workspace.

    Args:
        free_bytes: folder -> what is free there: of the workspace, and of each other disk that something of it is on.
        taken: by what.
    """

    free_bytes: dict[Path, int]
    taken: tuple[Taken, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        taken = [{**asdict(one), "folder": str(one.folder)} for one in self.taken]
        return {"free_bytes": {str(folder): free for folder, free in self.free_bytes.items()}, "taken": taken}


def disk(root: Path) -> Disk:
    """Return what is free, and what data, caches, runs, and the servers' databases, objects and logs take."""
    folders = _folders(root)
    met: set[tuple[int, int]] = set()
    deadline = time.monotonic() + LOOKS_FOR_S
    taken = [_taken(what, folder, met, deadline) for what, folder in folders.items() if folder.is_dir()]
    free = {folder: shutil.disk_usage(folder).free for folder in (root, *_elsewhere(root, folders).values())}
    return Disk(free_bytes=free, taken=tuple(taken))


def other_disks(root: Path) -> dict[str, Path]:
    """Return what a workspace keeps on other disks than its own -> the folder of it; one of each disk."""
    return _elsewhere(root, _folders(root))


def _folders(root: Path) -> dict[str, Path]:
    folders = {
        "data": root / "data", "cache": _cache(root), "runs": root / "runs", "decoded pictures": root / ".diptych" / "cache",
        "what is served": root / ".diptych" / "served",
    }  # fmt: skip
    if is_made(root):
        place = Place.read(root)
        folders |= {"databases": cluster_of(place), "objects": place.data / "s3", "logs": place.data / "logs"}
    return folders


def _cache(root: Path) -> Path:
    """Return where DVC's cache is; where it would be, if its settings cannot be read."""
    from dvc.exceptions import DvcException

    try:
        return cache_of(root).parent
    except DvcException:
        return root / ".dvc" / "cache"


def _elsewhere(root: Path, folders: Mapping[str, Path]) -> dict[str, Path]:
    found = {root.stat().st_dev: ""}
    for what, folder in folders.items():
        if folder.exists():
            found.setdefault(folder.stat().st_dev, what)
    return {what: folders[what] for what in found.values() if what}


def as_lines(found: Disk) -> list[str]:
    """Return what is free, then what takes most."""
    free = [f"disk     {free / 2**30:.1f} GB free at {folder}" for folder, free in found.free_bytes.items()]
    most = sorted((one for one in found.taken if one.size_bytes), key=lambda one: -one.size_bytes)
    said = ", ".join(f"{one.what} {'' if one.whole else 'over '}{_size(one.size_bytes)}" for one in most)
    return [*free, f"takes    {said}"] if said else free


def _size(size: int) -> str:
    return f"{size / 2**30:.1f} GB" if size >= 2**30 else f"{size / 2**20:.0f} MB"


def _taken(what: str, folder: Path, met: set[tuple[int, int]], deadline: float) -> Taken:
    total, closed, behind = 0, 0, [str(folder.resolve())]
    while behind and time.monotonic() < deadline:
        try:
            with os.scandir(behind.pop()) as entries:
                for one in entries:
                    try:
                        stat = one.stat(follow_symlinks=False)
                    except FileNotFoundError:  # it went while we looked, and the others stay
                        continue
                    if one.is_dir(follow_symlinks=False):
                        behind.append(one.path)
                    elif stat.st_nlink == 1 or (stat.st_dev, stat.st_ino) not in met:
                        total += stat.st_blocks * 512
                        if stat.st_nlink > 1:
                            met.add((stat.st_dev, stat.st_ino))
        except (FileNotFoundError, NotADirectoryError):  # the folder went
            continue
        except OSError:  # it is somebody else's
            closed += 1
    return Taken(what=what, folder=folder, size_bytes=total, whole=not behind and not closed)
