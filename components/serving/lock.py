"""One writer: whoever starts or stops a server of this workspace holds `.diptych/served/lock`; it goes with its holder."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.contracts.errors import Busy
from components.serving.endpoint import served_folder


@contextmanager
def serving_lock(root: Path) -> Iterator[None]:
    """Hold the lock; raises Busy at once when another process has it. Makes the private folder, 0700, if need be."""
    folder = served_folder(root)
    for private in (folder.parent, folder):
        private.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            raise Busy(
                f"Another run is deploying or stopping the server of {root.resolve()}. Two at once would stop each "
                "other's server; try again when it has ended."
            ) from err
        yield
