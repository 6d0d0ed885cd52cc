"""Fetched files, kept from when they are whole until the snapshot they go into is written: a run that was cut goes on with them."""

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from components.data.remote.held import Held, release_dead

MAX_AGE_S = 24 * 3600  # what lies longer belongs to a run that nobody goes on with
_HALF = ".half-"
_HELD = "held"


def cache_dir(what: str) -> Path:
    """Return a folder of the user's cache, made private (0700); DIPTYCH_CACHE moves it."""
    base = os.environ.get("DIPTYCH_CACHE")
    root = Path(base) if base else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "diptych"
    folder = root / what
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    return folder


class Store:
    """Files by name; several processes may use a folder at once, each by links of its own.

    Args:
        folder: where they lie.
        now: seconds since 1970.
    """

    def __init__(self, folder: Path, now: Callable[[], float] = time.time) -> None:
        self.folder, self.now = folder, now
        self._held = Held(folder / _HELD)

    def path_of(self, name: str) -> Path:
        """Return where the file of that name lies once `has` or `new` gave it: as long as this is there, whoever else forgets it."""
        return self._held.folder / _place(name)

    def has(self, name: str) -> bool:
        """Return whether the file is there, and keep it at `path_of` then. A half one has another name, and is never found."""
        return self.path_of(name).is_file() or self._held.take(self.folder / _place(name), _place(name))

    @contextmanager
    def new(self, name: str) -> Iterator[BinaryIO]:
        """Yield an empty file that takes the name when the block ends well; OSError when the disk has no room."""
        path = self.folder / _place(name)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=_HALF, delete=False) as half:
            try:
                yield half  # type: ignore[misc]
                half.flush()
                os.fsync(half.fileno())  # else a machine that goes down could leave the name without the bytes
                self.path_of(name).unlink(missing_ok=True)
                self._held.take(Path(half.name), _place(name))  # before it has the name, by which others may remove it
            except BaseException as err:
                Path(half.name).unlink(missing_ok=True)
                if isinstance(err, OSError) and err.errno is not None and err.filename is None:
                    err.filename = str(path.parent)  # which disk it was
                raise
        Path(half.name).replace(path)

    def forget(self, names: Iterable[str]) -> None:
        """Remove the files of these names; another Store that has one keeps it for itself."""
        for name in names:
            for path in (self.path_of(name), self.folder / _place(name)):
                path.unlink(missing_ok=True)

    def release(self) -> None:
        """Let go of all that this has; it stays under its names for whoever asks within a day."""
        self._held.clear()

    def sweep(self) -> None:
        """Remove what nobody has and was used last more than a day ago: files of runs that never ended, and halves."""
        release_dead(self.folder / _HELD)
        for path in self.folder.glob("[0-9a-f][0-9a-f]/*"):
            try:
                about = path.stat()
                if about.st_nlink == 1 and self.now() - about.st_mtime > MAX_AGE_S:
                    path.unlink()
            except FileNotFoundError:  # another process was faster
                continue


def _place(name: str) -> str:
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{digest[:2]}/{digest}"
