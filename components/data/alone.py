"""One writer a folder: two would mix their files."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.contracts.errors import Busy


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a folder, made if need be, as its only writer; Busy when another process does. It ends with its holder."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(
                f"{folder} is being written by another process, and two would mix their files. Wait until it has ended, or "
                f"give another folder; `fuser {folder}` says which process it is."
            ) from None
        yield
    finally:
        os.close(descriptor)
