"""One writer: whoever starts or stops a server of this workspace holds `.diptych/served/lock`; it goes with its holder."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from components.contracts.errors import Busy
from components.serving.endpoint import served_folder

KEEPER = "keeper"
MENDING_S = 120.0  # that the keeper may take; whoever deploys meanwhile waits, since nobody can tell it to stop
POLL_S = 0.1


@contextmanager
def serving_lock(root: Path, by: str = "") -> Iterator[None]:
    """Hold the lock; raises Busy at once when another process has it, or when the keeper has it for too long.

    Makes the private folder, 0700, if need be.

    Args:
        root: of the workspace.
        by: KEEPER, of the process that mends servers by itself.
    """
    folder = served_folder(root)
    for private in (folder.parent, folder):
        private.mkdir(mode=0o700, parents=True, exist_ok=True)
    deadline = time.monotonic() + MENDING_S
    with (folder / "lock").open("a+") as file:
        while not _taken(file):
            file.seek(0)
            if by == KEEPER or file.read() != KEEPER or time.monotonic() > deadline:
                raise Busy(
                    f"Another run is deploying or stopping the server of {root.resolve()}. Two at once would stop each "
                    "other's server; try again when it has ended."
                )
            time.sleep(POLL_S)
        file.truncate(0)
        file.write(by)
        file.flush()
        yield


def _taken(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
