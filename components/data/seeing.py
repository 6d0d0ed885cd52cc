"""Pictures looked at by several processes, in the order in which they came.

Each is a program of its own (components/data/seen.py), neither forked, which would copy whatever threads and locks there are,
nor spawned by multiprocessing, which would import all that we have. A picture that crashes its process is one that cannot be
decoded; a process that is killed, or says nothing for too long, is an error, and never a wait without end.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, Self, TypeVar, cast

from components.contracts.errors import TransientError
from components.data.seen import Seen, see, unseen

PART_PICTURES = 16  # looked at before a process reports
PART_BYTES = 2**20  # a part that has come to so many is handed over
PART_CARRIED = 256  # items of a part, with those that need no look
AHEAD = 2  # parts held for each process
MOST = 16  # processes a stage starts, on machines with more cores; chosen, not measured: one reader feeds them all
PATIENCE_S = 300.0  # sixteen pictures of the largest size take less than one
_ENDS_S = 10.0
_CRASHES = frozenset({signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE})

T = TypeVar("T")


def seen_in_order(
    items: Iterable[tuple[T, bytes | Seen | None]], processes: int, patience_s: float = PATIENCE_S
) -> Generator[tuple[T, Seen | None], None, None]:
    """Yield each item with what was seen of its picture, in order; the result does not depend on `processes`.

    Holds at most AHEAD parts for each process, and one more, whatever the items are.

    Args:
        items: (anything, the picture's bytes); what was seen before, or None for no picture, is handed on as it is.
        processes: that look at once; 0 looks in this one, where a picture that crashes the decoder ends us.
        patience_s: seconds after which a process that says nothing is given up.

    Raises TransientError when a process was killed, or is given up.
    """
    if processes == 0:
        for carried, picture in items:
            yield carried, see(picture) if isinstance(picture, bytes) else picture
        return
    waiting: deque[_Part[T]] = deque()
    with Lookers(processes, patience_s) as lookers:
        for part in _parts(items, lookers.tend):
            waiting.append(part)
            lookers.give(part)
            while waiting and (waiting[0].done or len(waiting) > AHEAD * processes):
                lookers.finish(waiting[0])
                yield from waiting.popleft().results()
        while waiting:
            lookers.finish(waiting[0])
            yield from waiting.popleft().results()


@dataclass(kw_only=True, slots=True)
class _Part(Generic[T]):
    """Items that follow each other; `pictures` are the bytes of those at `places`, until they are seen."""

    carried: list[T] = field(default_factory=list)
    seen: list[Seen | None] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    pictures: list[bytes] = field(default_factory=list)

    def add(self, carried: T, picture: bytes | Seen | None) -> None:
        if isinstance(picture, bytes):
            self.places.append(len(self.carried))
            self.pictures.append(picture)
        self.carried.append(carried)
        self.seen.append(None if isinstance(picture, bytes) else picture)

    @property
    def full(self) -> bool:
        return (
            len(self.pictures) >= PART_PICTURES
            or len(self.carried) >= PART_CARRIED
            or sum(map(len, self.pictures)) >= PART_BYTES
        )

    @property
    def done(self) -> bool:
        return not self.pictures

    def fill(self, seen: Sequence[Seen]) -> None:
        for place, one in zip(self.places, seen, strict=True):
            self.seen[place] = one
        self.pictures = []

    def results(self) -> Iterator[tuple[T, Seen | None]]:
        return zip(self.carried, self.seen, strict=True)


def _parts(items: Iterable[tuple[T, bytes | Seen | None]], between: Callable[[], None]) -> Iterator[_Part[T]]:
    part: _Part[T] = _Part()
    for carried, picture in items:
        part.add(carried, picture)
        if part.full:
            yield part
            part = _Part()
        between()
    if part.carried:
        yield part


class Lost(Exception):
    """A process ended before its work did."""


class Looker:
    """One process, and the line to it."""

    def __init__(self) -> None:
        self.line, theirs = Pipe()
        where = os.pathsep.join(path or os.getcwd() for path in sys.path)  # noqa: PTH109 -- as text
        # Ctrl-C reaches it too, and is ours to handle: what is blocked now stays so in the new process.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", Seen.__module__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()], env=os.environ | {"PYTHONPATH": where}, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()

    def ask(self, pictures: Sequence[bytes], patience_s: float) -> None:
        """Send pictures; Lost when the process is no more, or takes nothing for so long that it is ended."""
        timer = threading.Timer(patience_s, self.process.kill)
        timer.daemon = True
        timer.start()
        try:
            self.line.send(pictures)
        except (BrokenPipeError, ConnectionResetError) as err:
            raise Lost from err
        finally:
            timer.cancel()

    def answer(self) -> list[Seen]:
        """Return what it saw; Lost when it ended instead."""
        try:
            said = self.line.recv_bytes()
        except (EOFError, ConnectionResetError) as err:
            raise Lost from err
        return [Seen(**one) for one in json.loads(said)]

    def code(self) -> int:
        """Return the exit code of one that was lost: minus a signal, where that ended it."""
        self.line.close()
        try:
            return self.process.wait(_ENDS_S)
        except subprocess.TimeoutExpired:  # it hung up and lives, which no program of ours does
            self.process.kill()
            return self.process.wait()

    def end(self) -> None:
        """End it; it keeps nothing that could be half done."""
        self.line.close()
        self.process.kill()
        self.process.wait()


class Lookers:
    """Up to `processes` of them, started as there is work."""

    def __init__(self, processes: int, patience_s: float) -> None:
        self.processes, self.patience_s = processes, patience_s
        self._idle: list[Looker] = []
        self._busy: dict[Connection, tuple[Looker, _Part[Any]]] = {}
        self._todo: deque[_Part[Any]] = deque()

    def give(self, part: _Part[Any]) -> None:
        """Have a part looked at, as soon as a process has time."""
        if not part.done:
            self._todo.append(part)
        self.tend()

    def finish(self, part: _Part[Any]) -> None:
        """Wait until a part is done."""
        while not part.done:
            self.tend(self.patience_s)

    def tend(self, patience_s: float = 0.0) -> None:
        """Take what was seen, and give those who have nothing to do the next part; TransientError after so long a wait."""
        reports = wait(list(self._busy), patience_s) if self._busy else []
        if patience_s and not reports:
            raise self._given_up(f"said nothing for {self.patience_s:g} s")
        for line in reports:
            looker, part = self._busy.pop(cast(Connection, line))
            try:
                part.fill(looker.answer())
                self._idle.append(looker)
            except Lost:
                self._look_alone(looker, part)
        while self._todo and len(self._busy) < self.processes:
            looker, part = self._idle.pop() if self._idle else Looker(), self._todo.popleft()
            self._busy[looker.line] = looker, part
            try:
                looker.ask(part.pictures, self.patience_s)
            except Lost:
                del self._busy[looker.line]
                self._look_alone(looker, part)

    def _look_alone(self, lost: Looker, part: _Part[Any]) -> None:
        """Look at the pictures of a part whose process is lost, one at a time: whichever crashes it cannot be decoded."""
        self._check_crashed(lost)
        seen: list[Seen] = []
        looker = Looker()
        try:
            for data in part.pictures:
                try:
                    looker.ask([data], self.patience_s)
                    if not looker.line.poll(self.patience_s):
                        raise self._given_up(f"said nothing for {self.patience_s:g} s")
                    seen += looker.answer()
                except Lost:
                    self._check_crashed(looker)
                    seen.append(unseen(data))
                    looker = Looker()
        finally:
            looker.end()
        part.fill(seen)

    def _check_crashed(self, looker: Looker) -> None:
        """Raise TransientError unless a process ended by a fault of its own, which the same picture would cause again."""
        code = looker.code()
        if -code not in _CRASHES:
            how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
            raise self._given_up(how)

    def _given_up(self, what: str) -> TransientError:
        return TransientError(
            f"a process that looks at pictures {what} before its work was done. Mostly the machine had no memory left for it. "
            "Run again, and what is whole is kept; if it happens again, free some memory, or let fewer of them work at once: "
            "there is one for each core that the command may use, so put `taskset -c 0` in front of it."
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for looker in (*self._idle, *(looker for looker, _ in self._busy.values())):
            looker.end()
