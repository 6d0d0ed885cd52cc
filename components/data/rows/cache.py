"""Decoded rows kept on disk: made once, whole or not at all, checked before every use, the longest unused going first.

A cache is `<name>.rows`, the numbers and nothing else, beside `<name>.json`, which says how many bytes it has and what
their sha256 is. Both are written aside and renamed. Whoever opens a cache reads it through a mapping of its own, so it may
be replaced or removed meanwhile.
"""

import fcntl
import hashlib
import json
import math
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from components.contracts.errors import ConfigError
from components.contracts.progress import Progress, silent

MOST_BYTES = 20_000_000_000
_HASHED_BYTES = 16 * 2**20  # at once


class NoRoom(ConfigError):
    """Rows are more than the cache may hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCache:
    """Caches of uint8 rows in one folder; several processes may use it at once.

    Args:
        folder: where they lie; it must exist.
        most_bytes: what all of them together may take.
        held_bytes: rows that take no more than so many are not for it, and stay in memory; 0 where all are kept.
        tell: gets a sentence when a cache had to be made anew.
    """

    folder: Path
    most_bytes: int = MOST_BYTES
    held_bytes: int = 0
    tell: Callable[[str], None] = print

    def rows(
        self, name: str, shape: Sequence[int], fill: Callable[[int], None], progress: Progress = silent
    ) -> np.ndarray:
        """Return the rows of that name as a read-only mapping of a file, made by `fill` where there are none.

        Args:
            name: a digest of all that decides the rows.
            shape: their shape, rows first.
            fill: writes them all into the file of the descriptor it is given, which has room for them.
            progress: is told of the rows that were checked.

        Raises NoRoom when they are more than the cache may hold, OSError (ENOSPC, EFBIG) when the disk has no room:
        before anything is decoded, and nothing half-made is left.
        """
        kept = self._kept(name, tuple(shape), progress)
        return self._made(name, tuple(shape), fill) if kept is None else kept

    def _kept(self, name: str, shape: tuple[int, ...], progress: Progress) -> np.ndarray | None:
        """Return the rows if they are there and whole."""
        path, beside = self._paths(name)
        try:
            said, file = beside.read_bytes(), path.open("rb")
        except FileNotFoundError:
            return None  # never made, killed before it was whole, or removed to make room
        with file:
            if said == _says(shape, file, progress):
                with suppress(FileNotFoundError):  # removed meanwhile, which what we have open outlives
                    os.utime(beside)  # the time of its last use
                return _mapped(file, shape)
        self.tell(f"{path} is not what was written there: it was damaged or cut short. It is made anew.")
        with self._alone():
            _remove(beside, path)
        return None

    def _made(self, name: str, shape: tuple[int, ...], fill: Callable[[int], None]) -> np.ndarray:
        """Make the rows; where two do so at once, both make the same bytes, and the second replaces the first's."""
        (path, beside), size_bytes = self._paths(name), math.prod(shape)
        aside = self.folder / f"{name}.{secrets.token_hex(8)}.part"
        aside_of_beside = aside.with_suffix(".json.part")
        with self._alone():
            self._make_room(size_bytes)
            file = aside.open("x+b")
            fcntl.flock(file, fcntl.LOCK_EX)  # held as long as we live: a .part that anybody can lock is nobody's
        try:
            with file:
                _reserve(file, size_bytes, aside)
                fill(file.fileno())
                said = _says(shape, file, silent)
                with self._alone():
                    _write(aside_of_beside, said)
                    aside.replace(path)
                    aside_of_beside.replace(beside)
                return _mapped(file, shape)
        except BaseException:
            with self._alone():
                _remove(aside_of_beside, aside)
            raise

    def _paths(self, name: str) -> tuple[Path, Path]:
        return self.folder / f"{name}.rows", self.folder / f"{name}.json"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes from making room or renaming; held for moments, and it ends with its holder."""
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _make_room(self, size_bytes: int) -> None:
        """Remove what killed processes left, and the caches unused for longest, until there is room for another."""
        if size_bytes > self.most_bytes:
            raise NoRoom(
                f"the decoded pictures take {size_bytes / 1e9:,.1f} GB, but the cache {self.folder} may hold "
                f"{self.most_bytes / 1e9:,.1f} GB. Set DIPTYCH_DECODED_GB to {math.ceil(size_bytes / 1e9)} or more, or, where "
                "a recipe has a scale, take one with fewer pixels."
            )
        for part in self.folder.glob("*.part"):
            if _is_left_over(part):
                _remove(part)
        used = {path.stem: path.stat().st_mtime_ns for path in self.folder.glob("*.json")}
        for path in self.folder.glob("*.rows"):
            if path.stem not in used:  # its maker was killed between two renames
                _remove(path)
        taken = {path: path.stat().st_size for path in self.folder.iterdir()}
        for name in sorted(used, key=used.__getitem__):
            if sum(taken.values()) + size_bytes <= self.most_bytes:
                break
            path, beside = self._paths(name)
            _remove(beside, path)
            taken = {one: size for one, size in taken.items() if one not in (beside, path)}


def _says(shape: tuple[int, ...], file: BinaryIO, progress: Progress) -> bytes:
    """Return what lies beside rows of that shape, if the file holds them."""
    size_bytes, read = math.prod(shape), 0
    total = hashlib.sha256()
    file.seek(0)
    while piece := file.read(_HASHED_BYTES):
        total.update(piece)
        read += len(piece)
        progress("checking decoded pictures", min(shape[0] * read // size_bytes, shape[0]), shape[0])
    return (json.dumps({"shape": shape, "size_bytes": read, "sha256": total.hexdigest()}) + "\n").encode()


def _mapped(file: BinaryIO, shape: tuple[int, ...]) -> np.ndarray:
    return np.memmap(file, np.uint8, mode="r", shape=shape)


def _reserve(file: BinaryIO, size_bytes: int, path: Path) -> None:
    """Take the room at once: a mapping of a file without its blocks would kill the process when the disk is full."""
    try:
        os.posix_fallocate(file.fileno(), 0, size_bytes)
    except OSError as err:
        raise OSError(err.errno, err.strerror, str(path)) from err


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as err:  # the system does not say which file had no room
        raise OSError(err.errno, err.strerror, str(path)) from err


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _is_left_over(part: Path) -> bool:
    """Return whether the process that was writing it is gone."""
    with part.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
