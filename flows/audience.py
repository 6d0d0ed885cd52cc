"""Who watches a run: told which step begins, how far it is, and how it ended. Printing is the simplest audience."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from components.stages.events import Event, clock


class Audience(Protocol):
    """Anything that shows a run; it must never fail, for the run would fail with it."""

    def began(self, name: str) -> None:
        """Hear that a step begins, by the name DVC or the flow uses."""

    def heard(self, event: Event) -> None:
        """Hear how far the step is."""

    def ended(self, name: str, how: str, seconds: float) -> None:
        """Hear how it ended: ran, cached, restored, failed, ..."""

    def told(self, sentence: str) -> None:
        """Hear a sentence that is worth a line."""


class Lines:
    """Prints a line when something begins or ends, and one every few seconds in between."""

    def __init__(self, every_s: float = 5.0) -> None:
        self._every_s = every_s
        self._said_at = 0.0

    def began(self, name: str) -> None:
        """Print nothing: what is cached is over at once, and what works tells soon."""
        self._said_at = 0.0

    def heard(self, event: Event) -> None:
        """Print the event if the last was long enough ago."""
        if event.done >= event.total or time.monotonic() - self._said_at >= self._every_s:
            self._said_at = time.monotonic()
            self.told(str(event))

    def ended(self, name: str, how: str, seconds: float) -> None:
        """Print what became of the step."""
        self.told(f"{name}: {how}, {clock(seconds)}")

    def told(self, sentence: str) -> None:
        """Print a line."""
        print(sentence, file=sys.stdout, flush=True)


_PLAIN = Lines()
# A flow's arguments are what a person sets in the Prefect UI; who watches is a matter of where it was started.
AUDIENCE: ContextVar[Audience] = ContextVar("audience", default=_PLAIN)


@contextmanager
def step(name: str) -> Iterator[list[str]]:
    """Tell the audience that a step begins and how it ended: what the block leaves in the list, "ran", or "failed"."""
    audience, began = AUDIENCE.get(), time.monotonic()
    audience.began(name)
    how: list[str] = []
    try:
        yield how
    except BaseException as err:
        stopped = isinstance(err, KeyboardInterrupt | SystemExit)
        audience.ended(name, "stopped" if stopped else "failed", time.monotonic() - began)
        raise
    audience.ended(name, how[-1] if how else "ran", time.monotonic() - began)
