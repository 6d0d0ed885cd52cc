"""How far a stage is, on the run's page in Prefect: one bar for each stage that takes its time."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from components.stages.events import Event
from flows.audience import AUDIENCE, Audience

AFTER_S, EVERY_S = 3.0, 2.0  # a stage that is over before needs no bar; the page itself looks every few seconds


class Bar:
    """An `Audience` that hands everything on to another one, and keeps an artifact of the task up to date."""

    def __init__(self, name: str, before: Audience, after_s: float, every_s: float) -> None:
        self._name, self._before, self._every_s = name, before, every_s
        self._next = time.monotonic() + after_s
        self._artifact: UUID | None = None
        self._last: Event | None = None

    def began(self, name: str) -> None:
        """Hand it on."""
        self._before.began(name)

    def heard(self, event: Event) -> None:
        """Hand it on, and move the bar if it is time."""
        self._before.heard(event)
        self._last = event
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + self._every_s
            self._move(event)

    def ended(self, name: str, how: str, seconds: float) -> None:
        """Hand it on, and leave the bar where the stage ended."""
        self._before.ended(name, how, seconds)
        if self._artifact is not None and self._last is not None:
            self._move(self._last)

    def told(self, sentence: str) -> None:
        """Hand it on."""
        self._before.told(sentence)

    def _move(self, event: Event) -> None:
        share, said = 100.0 * event.done / max(event.total, 1), str(event).partition(": ")[2]
        with suppress(Exception):  # whatever the server does, a bar is no reason for the run to fail
            if self._artifact is None:
                key = re.sub(r"[^a-z0-9]+", "-", f"progress-{self._name}".lower())
                made = create_progress_artifact(share, key=key, description=said)
                self._artifact = made if isinstance(made, UUID) else None
            else:
                update_progress_artifact(self._artifact, progress=share, description=said)


@contextmanager
def progress(name: str, after_s: float = AFTER_S, every_s: float = EVERY_S) -> Iterator[None]:
    """Show how far the stage of this task is while the block runs."""
    token = AUDIENCE.set(Bar(name, AUDIENCE.get(), after_s, every_s))
    try:
        yield
    finally:
        AUDIENCE.reset(token)
