"""How often a key may ask: a bucket of tokens that fills again by the second (token bucket)."""

import time
from collections.abc import Callable

BURST_S = 10.0  # seconds of its rate that may be asked at once


class Rates:
    """The buckets of one worker.

    Args:
        workers: how many share a key's requests; each gets its part of the rate.
        clock: seconds, going on evenly.
    """

    def __init__(self, workers: int = 1, clock: Callable[[], float] = time.monotonic) -> None:
        self._workers = workers
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}

    def wait_s(self, name: str, per_minute: float) -> float:
        """Return 0 and take a token where there is one, else the seconds until there is."""
        rate = per_minute / 60 / self._workers
        most = max(1.0, rate * BURST_S)
        now = self._clock()
        left, then = self._left.get(name, (most, now))
        left = min(most, left + (now - then) * rate)
        if left < 1:
            self._left[name] = (left, now)
            return (1 - left) / rate
        self._left[name] = (left - 1, now)
        return 0.0
