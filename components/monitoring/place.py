"""Where what a monitor knows and writes is: `.diptych/monitor`, for its owner alone."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def monitor_folder(root: Path) -> Path:
    """Return the folder, made if need be."""
    folder = root.resolve() / ".diptych" / "monitor"
    for private in (folder.parent, folder):
        private.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


@contextmanager
def alone(root: Path) -> Iterator[Path]:
    """Yield the folder while no other monitor of the workspace looks; who comes second waits, since a look takes seconds."""
    folder = monitor_folder(root)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield folder
