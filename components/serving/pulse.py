"""A pulse through a pipe: a process whose event loop turns sends a byte a second, and whoever keeps it hears that it does.

What is heard is of this very process, where a question through the port that several share is answered by any of them. It says nothing of how long an
answer takes; a loop that is held for a while, such as by the parsing of a large body, misses a beat or two.
"""

import os
import time
from contextlib import suppress

PULSE = "DIPTYCH_GATEWAY_PULSE"  # the number of the file that a worker's pulse goes to
MOST_A_LOOK_S = 1.0  # of silence that one look counts, so that a keeper who was stopped himself does not blame others


class Pulse:
    """The keeper's end.

    Args:
        silent_s: without a beat until a process counts as hanging.
        start_s: the same before its first beat, while it starts.
    """

    def __init__(self, silent_s: float, start_s: float) -> None:
        self.silent_s, self.start_s = silent_s, start_s
        self._heard, self.ours = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.has_begun, self._silence_s, self._looked = False, 0.0, time.monotonic()

    def given(self) -> None:
        """Close the other end here, once the process has it; then its end is its own."""
        os.close(self.ours)
        self.ours = -1

    def hangs(self) -> bool:
        """Return whether it has been silent for too long; to be asked often."""
        now = time.monotonic()
        self._silence_s += min(now - self._looked, MOST_A_LOOK_S)
        self._looked = now
        try:
            if os.read(self._heard, 4096):
                self.has_begun, self._silence_s = True, 0.0
        except BlockingIOError:
            pass
        return self._silence_s > (self.silent_s if self.has_begun else self.start_s)

    def close(self) -> None:
        """Close what is open of it."""
        os.close(self._heard)
        if self.ours >= 0:
            self.given()


async def beat() -> None:
    """Send a byte, where a keeper listens; one who does not read them is not waited for."""
    if PULSE in os.environ:
        with suppress(
            BlockingIOError, BrokenPipeError
        ):  # full, since it was not read; or nobody is there, which standard input says too
            os.write(int(os.environ[PULSE]), b".")
