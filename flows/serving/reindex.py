"""Indexes of one's own go with the model: embedded again for its space while the old one serves, so that one switch moves both."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Protocol

import psutil

from components.contracts.deploying import Deploying
from components.contracts.errors import CapabilityError, ConfigError, DataError, Interrupted, StaleArtifact
from components.data.processes import cores
from components.serving.endpoint import read_previous, read_stopped, served_folder
from components.serving.indexes import Borrowed, Record, borrow, is_current, prune, records
from components.serving.package import Package
from components.serving.routes import read_routes
from components.stages.events import clock
from components.stages.lock import hold
from components.stages.place import private
from flows.serving.index import LOCK, Made, make

NICE = 10  # what serves comes first
SAY_EVERY_S = 1.0
WINDOW_S = 30.0  # of which the pace is: what a run of before had done passes at once


class Pace:
    """A `Progress` that says how far an index is, how fast, how long it will take and what it has cost.

    Args:
        name: of the index.
        price_per_hour: in USD; 0 to say nothing of it.
        say: is told, at most once a second.
        now: a clock in seconds.
    """

    def __init__(
        self, name: str, price_per_hour: float, say: Callable[[str], None], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._name, self._price, self._say, self._now = name, price_per_hour, say, now
        self._began = now()
        self._told_at = float("-inf")
        self._seen: deque[tuple[float, int]] = deque([(self._began, 0)])

    def __call__(self, doing: str, done: int, total: int, **seen: float) -> None:
        """Say it, if it is time."""
        now = self._now()
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[0][0] > WINDOW_S:
            self._seen.popleft()
        if now - self._told_at >= SAY_EVERY_S:
            self._told_at = now
            self._say(self._sentence(now, done, total))

    def _sentence(self, now: float, done: int, total: int) -> str:
        since, first = self._seen[0]
        parts = [f"index {self._name}: {done:,} of {total:,} pictures"]
        if now > since and done > first:
            per_s = (done - first) / (now - since)
            parts += [f"{per_s:,.0f} pictures/s", f"{clock((total - done) / per_s)} left"]
        return ", ".join([*parts, *self._cost(now)])

    def made(self, made: Made) -> str:
        """Return what came of it, such as "12,000 pictures in 84 s, 0.02 USD"."""
        now = self._now()
        before = f" ({made.before:,} of them were done before)" if made.before else ""
        broken = f", {made.broken:,} could not be decoded" if made.broken else ""
        return ", ".join(
            [f"{made.record.rows:,} pictures in {now - self._began:,.0f} s{before}{broken}", *self._cost(now)]
        )

    def _cost(self, now: float) -> list[str]:
        return [f"{self._price * (now - self._began) / 3600:.2f} USD"] if self._price else []


class Written(Protocol):
    """Where it is said what is done, such as a Timeline."""

    def goes_on(self, root: Path, doing: str) -> None:
        """Say how far the step under way is."""

    def step(self, root: Path, name: str, says: str) -> None:
        """Say that a step has ended."""


@contextmanager
def way_back(root: Path) -> Iterator[None]:
    """Have whoever embeds indexes for a deploy stop, and let the block go first: the way back takes seconds, an index may take hours."""
    asked = _asked_back(root)
    asked.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    asked.write_text(str(os.getpid()), encoding="utf-8")
    try:
        yield
    finally:
        asked.unlink(missing_ok=True)


def _asked_back(root: Path) -> Path:
    return served_folder(root) / "way-back"


def stop_if_asked(root: Path) -> None:
    """Raise Interrupted where somebody asks for the way back."""
    try:
        pid = int(_asked_back(root).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return
    if psutil.pid_exists(pid):  # else it was killed, and left the file
        raise Interrupted(
            "diptych rollback was asked for, which comes first. What was embedded is kept, and the next diptych deploy goes on from there."
        )


@contextmanager
def own_indexes(
    root: Path, folder: Path, label: str, rules: Deploying, told: Written, lent: Borrowed | None = None
) -> Iterator[None]:
    """Have vectors of a package's space in every index of one's own, then let the block switch to it; what is of no use any more goes.

    `lent` are vectors that its words were shown to find what they should by; an index that has them is left as it is. Else what is not there is made: in threads that give way to what serves, half as many as there are cores. What is stopped goes on the next time.

    Raises CapabilityError where the pictures of an index cannot be read any more, Busy while one is made by somebody else, Interrupted where
    somebody asks for the way back.
    """
    package = Package.verify(folder)

    def found_by_words(record: Record) -> bool:
        return lent is not None and is_current(root, record, lent.space)

    try:
        lacking = any(
            not is_current(root, record, package.space) and not found_by_words(record) for record in records(root)
        )
    except (DataError, StaleArtifact) as err:
        raise CapabilityError(f"an index of one's own cannot be read, so nothing is switched: {err}") from err
    spaces = {endpoint.space for endpoint in read_routes(root).endpoints}
    locked = lacking or {package.space} != spaces
    with (
        hold(private(root, "locks") / LOCK, f"the indexes of {root}") if locked else nullcontext()
    ):  # until the switch, so that none is made meanwhile for what served before
        for record in records(root):
            if is_current(root, record, package.space):
                continue
            if lent is not None and found_by_words(record):
                borrow(root, record.name, package.space, lent)
                told.step(
                    root, f"index {record.name}",
                    f"left as it is: words find its pictures by the vectors of {lent.label}, as was shown. To have it searched by pictures too: "
                    f"diptych index {record.said} --name {record.name}",
                )  # fmt: skip
                continue

            def say(said: str) -> None:
                stop_if_asked(root)
                told.goes_on(root, said)

            pace = Pace(record.name, rules.price_per_hour, say)
            try:
                made = make(root, record.name, record.said, package, label, max(1, cores() // 2), pace, NICE)
            except (DataError, ConfigError) as err:
                raise CapabilityError(
                    f"the index {record.name} cannot be made for {label}, so nothing is switched: {err} Mend that, or take the index away "
                    f"(diptych index remove {record.name}), and deploy again."
                ) from err
            changed = "" if made.record.digest == record.digest else "; its pictures have changed since it was made"
            told.step(root, f"index {record.name}", f"{pace.made(made)}{changed}")
        yield
        others = [one for one in (read_stopped(root), read_previous(root)) if one]
        kept = [*read_routes(root).endpoints, *others]
        prune(root, {package.space, *(endpoint.space for endpoint in kept)})
