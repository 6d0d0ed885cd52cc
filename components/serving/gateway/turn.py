"""One at a time, of all workers of a gateway: opening encoders takes memory that each has seen to be free, and a core that others are timed on."""

import asyncio
import fcntl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

FILE = "opening"
POLL_S = 0.1


@asynccontextmanager
async def in_turn(folder: Path | None) -> AsyncIterator[None]:
    """Hold the turn of a folder, however long that has to be waited for; it goes with its holder. None: there is nobody else."""
    if folder is None:
        yield
        return
    with (folder / FILE).open("a") as file:
        while not _taken(file.fileno()):
            await asyncio.sleep(POLL_S)
        yield


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
