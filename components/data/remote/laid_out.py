"""Files that were fetched, in a folder in which they have the names they have elsewhere: read as if they had always lain here."""

import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from components.contracts.errors import Busy
from components.data.alone import alone
from components.data.remote.store import MAX_AGE_S, cache_dir

MAX_PART_BYTES = 255  # of a name between two slashes, as file systems have it


class LaidOut:
    """A folder of the cache that goes when this does. One that a killed process left goes a day later."""

    def __init__(self) -> None:
        root = cache_dir("laid-out")
        sweep(root)
        self._whole = TemporaryDirectory(dir=root)
        self.folder = Path(self._whole.name)
        self._held = ExitStack()
        self._held.enter_context(alone(self.folder))  # as long as it is held, no sweep takes it
        self._names = set[str]()

    def add(self, name: str, kept: Path) -> None:
        """Give a kept file its name; nothing is written twice where the disk has hard links. OSError when it has no room."""
        if name in self._names:
            return
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            path.hardlink_to(kept)
        except FileExistsError:
            raise
        except OSError:  # a disk without hard links
            shutil.copyfile(kept, path)
        self._names.add(name)

    def add_empty(self, name: str) -> None:
        """Have a file of that name that holds nothing, where there is none."""
        if name not in self._names:
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            self._names.add(name)

    def clear(self) -> None:
        """Remove the files; the folder stays, so that what is laid out again has the paths it had."""
        for inside in self.folder.iterdir():
            if inside.is_dir():
                shutil.rmtree(inside)
            else:
                inside.unlink()
        self._names.clear()


def sweep(root: Path, now: Callable[[], float] = time.time) -> None:
    """Remove folders older than a day that no process holds."""
    for folder in root.iterdir():
        with suppress(FileNotFoundError, Busy):
            if now() - folder.stat().st_mtime > MAX_AGE_S:
                with alone(folder):
                    shutil.rmtree(folder)


def can_be_laid_out(name: str) -> bool:
    """Return whether a file of this disk can have the name, and stays in its folder then."""
    parts = name.split("/")
    return "\0" not in name and all(
        part not in ("", ".", "..") and len(part.encode("utf-8", "surrogatepass")) <= MAX_PART_BYTES for part in parts
    )
