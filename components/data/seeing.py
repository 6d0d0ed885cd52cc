"""Pictures looked at by several processes, in the order in which they came.

What is looked for is a Sight (components/data/sight.py). A picture that ends its process is looked at once more by itself; if it does
so again, by a crash, by an exit, or by taking too long, it is the picture's fault, and the sight says what is known of such a one. A
process that somebody else killed is an error, and nothing is a wait without end.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, Self, TypeVar, cast

from components.data.looker import Looker, Lost
from components.data.sight import Sight

PART_PICTURES = 16  # looked at before a process reports
PART_BYTES = 2**20  # a part that has come to so many is handed over
PART_CARRIED = 256  # items of a part, with those that need no look
AHEAD = 2  # parts held for each process
MOST = 16  # processes a stage starts, on machines with more cores; chosen, not measured: one reader feeds them all
PATIENCE_S = 300.0  # sixteen pictures of the largest size take less than one

T = TypeVar("T")
Found = TypeVar("Found")


def seen_in_order(
    sight: Sight[Found],
    items: Iterable[tuple[T, bytes | Found | None]],
    processes: int,
    patience_s: float = PATIENCE_S,
) -> Generator[tuple[T, Found | None], None, None]:
    """Yield each item with what was found of its picture, in order; the result does not depend on `processes`.

    Holds at most AHEAD parts for each process, and one more, whatever the items are.

    Args:
        sight: what is looked for.
        items: (anything, the picture's bytes); what was found before, or None for no picture, is handed on as it is.
        processes: that look at once; 0 looks in this one, where a picture that crashes the decoder ends us.
        patience_s: seconds after which a process that says nothing is ended.

    Raises TransientError when somebody else ended a process, or it could not begin.
    """
    if processes == 0:
        for carried, picture in items:
            yield carried, sight.see(picture) if isinstance(picture, bytes) else picture
        return
    waiting: deque[_Part[T, Found]] = deque()
    with Lookers(sight, processes, patience_s) as lookers:
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
class _Part(Generic[T, Found]):
    """Items that follow each other; `pictures` are the bytes of those at `places`, until they are seen."""

    carried: list[T] = field(default_factory=list)
    seen: list[Found | None] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    pictures: list[bytes] = field(default_factory=list)

    def add(self, carried: T, picture: bytes | Found | None) -> None:
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

    def fill(self, seen: Sequence[Found]) -> None:
        for place, one in zip(self.places, seen, strict=True):
            self.seen[place] = one
        self.pictures = []

    def results(self) -> Iterator[tuple[T, Found | None]]:
        return zip(self.carried, self.seen, strict=True)


def _parts(items: Iterable[tuple[T, bytes | Found | None]], between: Callable[[], None]) -> Iterator[_Part[T, Found]]:
    part: _Part[T, Found] = _Part()
    for carried, picture in items:
        part.add(carried, picture)
        if part.full:
            yield part
            part = _Part()
        between()
    if part.carried:
        yield part


class Lookers(Generic[Found]):
    """Up to `processes` of them, started as there is work."""

    def __init__(self, sight: Sight[Found], processes: int, patience_s: float) -> None:
        self.sight, self.processes, self.patience_s = sight, processes, patience_s
        self._idle: list[Looker[Found]] = []
        self._busy: dict[Connection, tuple[Looker[Found], _Part[Any, Found]]] = {}
        self._todo: deque[_Part[Any, Found]] = deque()

    def give(self, part: _Part[Any, Found]) -> None:
        """Have a part looked at, as soon as a process has time."""
        if not part.done:
            self._todo.append(part)
        self.tend()

    def finish(self, part: _Part[Any, Found]) -> None:
        """Wait until a part is done."""
        while not part.done:
            self.tend(self.patience_s)

    def tend(self, patience_s: float = 0.0) -> None:
        """Take what was found, and give those who have nothing to do the next part; after so long a wait, end those who say nothing."""
        reports = wait(list(self._busy), patience_s) if self._busy else []
        if patience_s and not reports:
            for looker, _ in self._busy.values():
                looker.give_up()
            reports = list(self._busy)
        for line in reports:
            looker, part = self._busy[cast(Connection, line)]
            try:
                found = looker.answer()
            except Lost:
                del self._busy[cast(Connection, line)]
                self._look_alone(looker, part)
                continue
            if found is not None:
                part.fill(found)
                del self._busy[cast(Connection, line)]
                self._idle.append(looker)
        while self._todo and len(self._busy) < self.processes:
            looker, part = self._idle.pop() if self._idle else self._started(), self._todo.popleft()
            self._busy[looker.line] = looker, part
            try:
                looker.ask(part.pictures)
            except Lost:
                del self._busy[looker.line]
                self._look_alone(looker, part)

    def _look_alone(self, lost: Looker[Found], part: _Part[Any, Found]) -> None:
        """Look at the pictures of a part whose process is lost, one at a time: whichever ends its process again has done so."""
        lost.fatal()
        found: list[Found] = []
        looker = self._started()
        try:
            for data in part.pictures:
                try:
                    found.append(looker.look(data))
                except Lost:
                    found.append(self.sight.lost(data, looker.fatal()))
                    looker = self._started()
        finally:
            looker.end()
        part.fill(found)

    def _started(self) -> Looker[Found]:
        return Looker(self.sight, self.patience_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for looker in (*self._idle, *(looker for looker, _ in self._busy.values())):
            looker.end()
