"""Who is asked how often: a few requests at once to one host, none while it has asked to be left alone, and later tries later.

Source: full jitter of Brooker 2015, "Exponential Backoff And Jitter" (AWS Architecture Blog). Differs: at least half of the
wait is kept, so that a retry never comes at once.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from components.data.remote.unfetched import Unfetched

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often, and how long.

    Args:
        tries: of one URL, the first included.
        first_s: the most that is waited after the first try; twice as long after each further one.
        most_s: the most that is waited, whatever a server asks for.
        a_host: requests to one host at once.
        answer_s: until a server must have begun to answer, and between two pieces of what it sends.
        window_s: in each of these, `least_bytes` must come.
        least_bytes: see window_s.
    """

    tries: int = 4
    first_s: float = 1.0
    most_s: float = 60.0
    a_host: int = 4
    answer_s: float = 20.0
    window_s: float = 30.0
    least_bytes: int = 100_000


class Stopped(Exception):
    """The work was told to stop while it waited."""


@dataclass
class Turns:
    """Whose turn it is; one for all threads.

    Args:
        patience: how often, and how long.
        wait: waits some seconds; raises Stopped when there is nothing left to wait for.
        clock: seconds that only grow.
        chance: gives the jitter.
    """

    patience: Patience
    wait: Callable[[float], None]
    clock: Callable[[], float] = time.monotonic
    chance: random.Random = field(default_factory=random.Random)

    def __post_init__(self) -> None:
        self._gates: dict[str, threading.Semaphore] = {}
        self._not_before: dict[str, float] = {}
        self._lock = threading.Lock()

    @contextmanager
    def of(self, host: str) -> Iterator[None]:
        """Wait for a turn at a host, and hold it."""
        with self._lock:
            gate = self._gates.setdefault(host, threading.Semaphore(self.patience.a_host))
        with gate:
            if (left := self._not_before.get(host, 0.0) - self.clock()) > 0:
                self.wait(left)
            yield

    def leave_alone(self, host: str, seconds: float) -> None:
        """Ask nothing more of a host for so long, up to `most_s`."""
        with self._lock:
            until = self.clock() + min(seconds, self.patience.most_s)
            self._not_before[host] = max(until, self._not_before.get(host, 0.0))

    def tried(self, attempt: Callable[[], T]) -> T:
        """Return what the attempt gives; after a transient Unfetched try again, later each time. Raises the last one."""
        for number in range(1, self.patience.tries + 1):
            try:
                return attempt()
            except Unfetched as err:
                if not err.transient:
                    raise
                if number == self.patience.tries:
                    err.detail += f"; tried {number} times"
                    raise
                most = min(self.patience.first_s * 2 ** (number - 1), self.patience.most_s)
                self.wait(max(most * self.chance.uniform(0.5, 1), min(err.after_s or 0.0, self.patience.most_s)))
        raise AssertionError("a Patience has at least one try")
