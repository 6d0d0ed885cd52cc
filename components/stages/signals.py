"""TERM, INT and HUP as an exception in the main thread, so that every `with` block on the way out cleans up."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from components.contracts.errors import Interrupted

_WATCHED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Signals:
    """Raises Interrupted once; what comes after the first signal is ignored, so that cleaning up is not cut short."""

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self.reason: str | None = None
        self._held = False
        self._raised = False

    def install(self) -> "Signals":
        """Listen from here to the end of the process; main thread only.

        Never undone: a stage that has done its work must not die of a signal while the interpreter shuts down, or DVC
        would throw its outputs away.
        """
        for number in _WATCHED:
            signal.signal(number, self._receive)
        return self

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep signals back while the block runs, for what must happen whole; they are raised at its end."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        self.check()

    def check(self) -> None:
        """Raise Interrupted if a signal has come, even if somebody swallowed the first exception."""
        if self.received is not None:
            self._raised = True
            raise Interrupted(f"stopped by {self.received.name}" + (f": {self.reason}" if self.reason else ""))

    def ignore(self) -> None:
        """Raise nothing from here on: the work is done, or is being cleaned up."""
        self._raised = True

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.received is None:
            self.received = signal.Signals(number)
        if not self._held and not self._raised:
            self.check()
