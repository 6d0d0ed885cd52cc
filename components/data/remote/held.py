"""A folder of a process's own inside one that several share: what it links there stays, whatever becomes of the shared names."""

import fcntl
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from components.contracts.errors import Busy
from components.data.alone import alone


class Held:
    """A folder that goes when this does; one whose process was killed goes at the next `release_dead`.

    Args:
        root: that such folders lie in, made if need be.
    """

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _turn(root):  # else somebody could take it for a dead one before it is locked
            self.folder = Path(tempfile.mkdtemp(dir=root))
            lock = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(lock, fcntl.LOCK_EX)
        self._gone = weakref.finalize(self, _remove, self.folder, lock, os.getpid())

    def take(self, whole: Path, name: str) -> bool:
        """Have a whole file under a name here, too; False where it is not there. OSError when a copy has no room.

        Nothing is written twice where the disk has hard links.
        """
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        try:
            path.hardlink_to(whole)
        except FileNotFoundError:
            return False
        except FileExistsError:
            pass
        except OSError:  # a disk without hard links, or with no more of them for this file
            return self._copy(whole, path)
        os.utime(self.folder)  # says when it was used last
        return True

    def clear(self) -> None:
        """Remove the files; the folder stays."""
        for inside in self.folder.iterdir():
            shutil.rmtree(inside)

    def _copy(self, whole: Path, path: Path) -> bool:
        with tempfile.NamedTemporaryFile(dir=self.folder, delete=False) as half:
            try:
                with whole.open("rb") as file:
                    shutil.copyfileobj(file, half)
            except BaseException as err:
                Path(half.name).unlink(missing_ok=True)
                if isinstance(err, FileNotFoundError):
                    return False
                raise
        Path(half.name).replace(path)
        return True


def release_dead(root: Path) -> None:
    """Remove the folders whose process has ended; of their files is known from then on when that used them last."""
    if not root.is_dir():
        return
    with _turn(root):
        for folder in root.iterdir():
            with suppress(FileNotFoundError, Busy), alone(folder):
                used = folder.stat().st_mtime
                for path in folder.glob("*/*"):
                    os.utime(path, (used, used))
                shutil.rmtree(folder)


@contextmanager
def _turn(root: Path) -> Iterator[None]:
    """Wait until nobody else makes or removes folders in root."""
    lock = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _remove(folder: Path, lock: int, owner: int) -> None:
    if os.getpid() == owner:  # a forked child has the lock too, and is not done with it
        shutil.rmtree(folder, ignore_errors=True)
    os.close(lock)
