"""Fetched files, kept from when they are whole until the snapshot they go into is written: a run that was cut goes on with them."""

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

MAX_AGE_S = 24 * 3600  # what lies longer belongs to a run that nobody goes on with
_HALF = ".half-"


def cache_dir(what: str) -> Path:
    """Return a folder of the user's cache, made private (0700); DIPTYCH_CACHE moves it."""
    base = os.environ.get("DIPTYCH_CACHE")
    root = Path(base) if base else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "diptych"
    folder = root / what
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    return folder


class Store:
    """Files by name; several processes may use a folder at once.

    Args:
        folder: where they lie.
        now: seconds since 1970.
    """

    def __init__(self, folder: Path, now: Callable[[], float] = time.time) -> None:
        self.folder, self.now = folder, now

    def path_of(self, name: str) -> Path:
        """Return where the file of that name lies, or would."""
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
        return self.folder / digest[:2] / digest

    def has(self, name: str) -> bool:
        """Return whether the file is there. A half one has another name, and is never found."""
        return self.path_of(name).is_file()

    @contextmanager
    def new(self, name: str) -> Iterator[BinaryIO]:
        """Yield an empty file that takes the name when the block ends well; OSError when the disk has no room."""
        path = self.path_of(name)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=_HALF, delete=False) as half:
            try:
                yield half  # type: ignore[misc]
                half.flush()
                os.fsync(half.fileno())  # else a machine that goes down could leave the name without the bytes
            except BaseException as err:
                Path(half.name).unlink(missing_ok=True)
                if isinstance(err, OSError) and err.errno is not None and err.filename is None:
                    err.filename = str(path.parent)  # which disk it was
                raise
        Path(half.name).replace(path)

    def forget(self, names: Iterable[str]) -> None:
        """Remove the files of these names."""
        for name in names:
            self.path_of(name).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what is older than a day: files of runs that never ended, and halves."""
        for path in self.folder.glob("*/*"):
            try:
                if self.now() - path.stat().st_mtime > MAX_AGE_S:
                    path.unlink()
            except FileNotFoundError:  # another process was faster
                continue
