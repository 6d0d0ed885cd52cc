"""What may not outlive the work that it is for, such as dumps of databases: what one that was killed left goes when the work begins anew."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_WRITES = "writes"  # says which file elsewhere is half written


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """Yield the folder, empty and for its owner alone; it goes with the block. One at a time, which is for the caller to see to."""
    _clear(folder)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        _clear(folder)


@contextmanager
def written_whole(file: Path, folder: Path) -> Iterator[Path]:
    """Yield a file for its owner alone that becomes `file` where the block ends well; half of it goes, with the scratch at the latest.

    Args:
        file: what is to be written.
        folder: of `scratch`, which keeps where the half is, so that the next one takes away what one that was killed left.
    """
    partial = file.resolve().with_name(f"{file.name}.partial")
    (folder / _WRITES).write_text(str(partial), encoding="utf-8")
    try:
        partial.unlink(missing_ok=True)  # whose it was may be read by others
        partial.touch(mode=0o600, exist_ok=False)
        yield partial
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def _clear(folder: Path) -> None:
    with suppress(FileNotFoundError):
        if writes := (folder / _WRITES).read_text(
            encoding="utf-8"
        ):  # else it was killed, or the disk was full, before it said
            Path(writes).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
