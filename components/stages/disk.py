"""A disk that is full, in words: the system says `[Errno 28]`, and not which disk, nor what became of the work."""

import errno
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

_FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "your share of the disk (quota) is used up",
    errno.EFBIG: "a file grew larger than this system lets it (`ulimit -f`)",
}

_SHORT = re.compile(r"\d+ requested and \d+ written")


def full_disk(err: BaseException, root: Path, stage: str) -> str | None:
    """Return what to do about a disk that has no room for a stage's output; None when that is not what went wrong."""
    full = next(
        (one for one in _causes(err) if isinstance(one, OSError) and (one.errno in _FULL or _is_short(one))), None
    )
    if full is None:
        return None
    named = full.filename2 or full.filename  # of what is copied, the second is where to
    where = Path(named) if isinstance(named, str) else root / ".diptych" / "tmp"
    while not where.exists():
        where = where.parent
    usage = shutil.disk_usage(where)
    return (
        f"{_FULL.get(full.errno or 0, 'there was no room for a file')}: {stage} was writing to {where}, where {_size(usage.free)} of {_size(usage.total)} are free "
        "again. Nothing half-written is left, and what other stages made is untouched. Make room there (`dvc gc --workspace` "
        "drops the data of earlier runs), or move the workspace to a larger disk, and run again."
    )


def _is_short(err: OSError) -> bool:
    """Return whether it is what numpy says of an array that could not be written whole: how much was, and no number of the system's."""
    return err.errno is None and _SHORT.fullmatch(str(err)) is not None


def _causes(err: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what it came from; closing what could not be written fails once more, in words of its own."""
    while err is not None:
        yield err
        err = err.__cause__ or err.__context__


def _size(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"
