"""A folder that appears whole or not at all: written beside its name, as `.<name>.partial`, and renamed when it is whole."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from components.contracts.errors import Busy, DataError
from components.data.alone import alone


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes `out` when the block ends well, and is gone when it does not.

    What a process that was killed has left of one is removed. DataError when `out` holds something already; Busy when another
    process makes it.
    """
    _check_free(out)
    folder = out.with_name(f".{out.name}.partial")
    try:
        with alone(folder):
            try:
                _check_free(out)  # whoever held it may have made it meanwhile
            except DataError:
                with suppress(OSError):
                    folder.rmdir()
                raise
            try:
                _clear(folder)
                yield folder
                folder.replace(out)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
    except Busy as err:
        raise Busy(
            f"another process is making {out}, and two would mix their files. Wait until it has ended, or name another folder: "
            f"--out DIR. `fuser {folder}` says which process it is."
        ) from err


def _check_free(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        what = "is not empty" if out.is_dir() else "is a file"
        raise DataError(f"{out} {what}, and nothing is written over. Name a folder that is new or empty: --out DIR.")


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
