"""One at a time, of all workers of a gateway and all versions in it, opens encoders: that takes memory which each of them has seen to be free."""

import asyncio
import fcntl
import time
from pathlib import Path
from typing import IO

from components.contracts.errors import TransientError

FILE = "opening"
POLL_S = 0.1
WAITS_S = 60.0


async def turn(folder: Path) -> IO[str]:
    """Return the turn of a folder, which is held until it is closed, or its holder ends. TransientError where another has it for WAITS_S."""
    file, until = (folder / FILE).open("a"), time.monotonic() + WAITS_S
    try:
        while not _taken(file.fileno()):
            if time.monotonic() > until:
                raise TransientError(f"other encoders have been opened for {WAITS_S:g} s")
            await asyncio.sleep(POLL_S)
    except BaseException:
        file.close()
        raise
    return file


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
