"""How much of the disk what a workspace keeps takes, and how much is free."""

import os
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

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
        whole: whether all of it was looked at, or it may be more.
    """

    what: str
    folder: Path
    size_bytes: int
    whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """The disks of a workspace.

    Args:
        free_bytes: folder -> what is free there; the servers' data where that lies on another disk.
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
    folders = {
        "data": root / "data", "cache": root / ".dvc" / "cache", "runs": root / "runs", "decoded pictures": root / ".diptych" / "cache",
        "what is served": root / ".diptych" / "served",
    }  # fmt: skip
    places = [root]
    if is_made(root):
        place = Place.read(root)
        folders |= {"databases": cluster_of(place), "objects": place.data / "s3", "logs": place.data / "logs"}
        if place.data.exists() and place.data.stat().st_dev != root.stat().st_dev:
            places.append(place.data)
    met: set[tuple[int, int]] = set()
    deadline = time.monotonic() + LOOKS_FOR_S
    taken = [_taken(what, folder, met, deadline) for what, folder in folders.items() if folder.is_dir()]
    return Disk(free_bytes={one: shutil.disk_usage(one).free for one in places}, taken=tuple(taken))


def as_lines(found: Disk) -> list[str]:
    """Return what is free, then what takes most."""
    free = [f"disk     {free / 2**30:.1f} GB free at {folder}" for folder, free in found.free_bytes.items()]
    most = sorted((one for one in found.taken if one.size_bytes), key=lambda one: -one.size_bytes)
    said = ", ".join(f"{one.what} {'' if one.whole else 'over '}{_size(one.size_bytes)}" for one in most)
    return [*free, f"takes    {said}"] if said else free


def _size(size: int) -> str:
    return f"{size / 2**30:.1f} GB" if size >= 2**30 else f"{size / 2**20:.0f} MB"


def _taken(what: str, folder: Path, met: set[tuple[int, int]], deadline: float) -> Taken:
    total, behind = 0, [str(folder.resolve())]
    while behind and time.monotonic() < deadline:
        try:
            with os.scandir(behind.pop()) as entries:
                for one in entries:
                    stat = one.stat(follow_symlinks=False)
                    if one.is_dir(follow_symlinks=False):
                        behind.append(one.path)
                    elif stat.st_nlink == 1 or (stat.st_dev, stat.st_ino) not in met:
                        total += stat.st_blocks * 512
                        if stat.st_nlink > 1:
                            met.add((stat.st_dev, stat.st_ino))
        except OSError:  # it went, or is somebody else's
            continue
    return Taken(what=what, folder=folder, size_bytes=total, whole=not behind)
