"""TERM, INT and HUP as an exception in the main thread, so that every `with` block on the way out cleans up."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from components.contracts.errors import Interrupted
from components.contracts.progress import Progress

_WATCHED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
PATIENCE_S = 6.0  # for a piece of work to end by itself; less than the grace that others give before they kill


class Signals:
    """Raises Interrupted once; what comes after the first signal is ignored, so that cleaning up is not cut short."""

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self.reason: str | None = None
        self._held = False
        self._between = False
        self._raised = False

    def install(self) -> "Signals":
        """Listen from here to the end of the process; main thread only.

        Never undone: a stage that has done its work must not die of a signal while the interpreter shuts down, or DVC
        would throw its outputs away.
        """
        for number in _WATCHED:
            signal.signal(number, self._receive)
        signal.signal(signal.SIGALRM, self._late)
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

    @contextmanager
    def between_pieces(self) -> Iterator[None]:
        """Raise signals only where the block tells its progress, between two pieces of work, so that none is half done.

        A piece that takes longer than PATIENCE_S is cut short all the same, and so is any by a second signal.
        """
        self._between = True
        try:
            yield
        finally:
            self._between = False
            signal.setitimer(signal.ITIMER_REAL, 0)

    def at_once(self, progress: Progress) -> Progress:
        """Return the same progress, during which a signal is raised as it comes: whoever tells is between two pieces."""

        def told(doing: str, done: int, total: int, **seen: float) -> None:
            before, self._between = self._between, False
            try:
                progress(doing, done, total, **seen)
            finally:
                self._between = before

        return told

    def check(self) -> None:
        """Raise Interrupted if a signal has come, even if somebody swallowed the first exception."""
        if self.received is not None:
            self._raised = True
            raise Interrupted(f"stopped by {self.received.name}" + (f": {self.reason}" if self.reason else ""))

    def ignore(self) -> None:
        """Raise nothing from here on: the work is done, or is being cleaned up."""
        self._raised = True

    def _receive(self, number: int, frame: FrameType | None) -> None:
        first = self.received is None
        if first:
            self.received = signal.Signals(number)
        if self._held or self._raised:
            return
        if self._between and first:
            signal.setitimer(signal.ITIMER_REAL, PATIENCE_S)
        else:
            self.check()

    def _late(self, number: int, frame: FrameType | None) -> None:
        if self._between and not self._held and not self._raised:
            self.check()
