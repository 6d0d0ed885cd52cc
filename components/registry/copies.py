"""Copies of what the store has: those that were used last stay, the others can be fetched again."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

KEPT = 8
ABANDONED_S = 3600.0  # after which a half of a copy is nobody's any more
_HALF = "fetching-"


def used(copy: Path) -> Path:
    """Return a copy, which counts as used now."""
    with suppress(OSError):  # on a disk that may only be read
        os.utime(copy)
    return copy


@contextmanager
def attempt(copy: Path, kept: int = KEPT, now: Callable[[], float] = time.time) -> Iterator[Path]:
    """Yield an empty folder to fetch into, which goes with the block; beside `copy`, so that what came can be renamed to it.

    Where the block ends well, of all copies beside it only so many stay, the last used ones, and no half of one that was killed.
    """
    copy.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=copy.parent, prefix=_HALF))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    ages = {one: _used_at(one) for one in copy.parent.iterdir()}
    whole = sorted((one for one in ages if not one.name.startswith(_HALF)), key=lambda one: -ages[one])
    halves = [one for one in ages if one.name.startswith(_HALF) and now() - ages[one] > ABANDONED_S]
    for one in [*whole[kept:], *halves]:
        shutil.rmtree(one, ignore_errors=True)


def placed(fetched: Path, copy: Path, is_good: Callable[[Path], bool]) -> Path:
    """Return `copy`, used now: what was fetched, or what another process has fetched there meanwhile, which may be at work with it.

    Args:
        fetched: the checked folder, within what `attempt` gave.
        copy: where it shall lie.
        is_good: whether a folder is, to the byte, what is wanted; what lies there and is not is replaced.

    Raises OSError where it cannot be laid there, and nobody else has.
    """
    for last in (False, True):
        try:
            fetched.rename(copy)  # which replaces no folder that holds something
            break
        except OSError:
            if is_good(copy):
                break
            if last:
                raise
            with suppress(FileNotFoundError):
                copy.rename(fetched.with_name("changed"))  # goes with the attempt
    return used(copy)


def _used_at(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:  # another process tidies up, too
        return 0.0
