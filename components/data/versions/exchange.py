"""Two folders swapped in one step, so that whoever looks finds the one or the other, never none and never a mixture."""

import ctypes
import errno
import os
from pathlib import Path

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_CANNOT = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP})


def exchange(one: Path, other: Path) -> None:
    """Give each of two folders of one file system the other's name.

    Where the system cannot do that at once, by renames: `recover` then finds what a kill in between has left.
    """
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is not None:
        done = renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
        if done == 0:
            return
        if (number := ctypes.get_errno()) not in _CANNOT:
            raise OSError(number, os.strerror(number), os.fspath(other))
    by_renames(one, other)


def by_renames(one: Path, other: Path) -> None:
    """Do it in three steps; between two of them `other` is not there."""
    between = _between(other)
    other.rename(between)
    one.rename(other)
    between.rename(one)


def recover(one: Path, other: Path) -> None:
    """Finish `by_renames(one, other)` where it was killed in between."""
    between = _between(other)
    if not between.exists():
        return
    if not other.exists():
        one.rename(other)
    between.rename(one)


def _between(other: Path) -> Path:
    return other.with_name(f".{other.name}.before")
