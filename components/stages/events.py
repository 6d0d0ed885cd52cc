"""What a stage tells while it works: a line of JSON for whoever listens, or a readable line for a terminal."""

import json
import os
import stat
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

_EVENT_EVERY_S = 0.05
_LINE_EVERY_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """How far a stage is.

    Args:
        doing: what is counted, such as `step`.
        left_s: seconds left at the pace so far; None until a pace is known.
        seen: numbers worth showing, such as loss and samples_per_s.
    """

    stage: str
    recipe: str | None
    doing: str
    done: int
    total: int
    left_s: float | None = None
    seen: dict[str, float] = field(default_factory=dict)

    @property
    def position(self) -> str:
        """Return where it stands, such as "step 40 of 120"."""
        return f"{self.doing} {self.done:,} of {self.total:,}"

    @classmethod
    def parse(cls, line: str) -> "Event":
        """Read one line of the event file."""
        return cls(**json.loads(line))

    def __str__(self) -> str:
        """Return "pretrain clip: step 120 of 640, loss 2.31, 1,020 samples/s, 1:42 left"."""
        parts = [self.position, *(_shown(name, value) for name, value in self.seen.items())]
        if self.left_s is not None and self.done < self.total:
            parts.append(f"{clock(self.left_s)} left")
        return f"{self.stage}{f' {self.recipe}' if self.recipe else ''}: {', '.join(parts)}"


def clock(seconds: float) -> str:
    """Return minutes and seconds, `1:42`, with hours in front where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Teller:
    """A `Progress` that writes to `listener` (a file or a FIFO) if there is one, and prints otherwise.

    The listener is opened by the first call, so the first thing on it is the stage at its real work. A file gets at
    most 20 events a second; a FIFO gets all, and a full one holds the stage, since its reader wants each of them.
    Also keeps the position in a file of its own, by one small write, so that it is known after a KILL.
    """

    def __init__(
        self, stage: str, recipe: str | None, position: Path, listener: str | None, check: Callable[[], None]
    ) -> None:
        self.stage = stage
        self.recipe = recipe
        self._position = os.open(position, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._listener = listener
        self._descriptor: int | None = None
        self._every_s = _LINE_EVERY_S if listener is None else _EVENT_EVERY_S
        self._check = check
        self._told_at = float("-inf")
        self._since: tuple[str, int, float] = ("", 0, 0.0)

    def __call__(self, doing: str, done: int, total: int, **seen: float) -> None:
        """Tell that `done` of `total` pieces of `doing` are finished."""
        self._check()
        now = time.monotonic()
        fresh = doing != self._since[0]
        if fresh:
            self._since = (doing, done, now)
        event = Event(
            stage=self.stage,
            recipe=self.recipe,
            doing=doing,
            done=done,
            total=total,
            left_s=self._left(done, total, now),
            seen=seen,
        )
        os.pwrite(self._position, event.position.ljust(120).encode(), 0)
        if fresh or done >= total or now - self._told_at >= self._every_s:
            self._told_at = now
            self._tell(event)

    def _left(self, done: int, total: int, now: float) -> float | None:
        _, first, since = self._since
        return (now - since) / (done - first) * (total - done) if done > first else None

    def _tell(self, event: Event) -> None:
        if self._listener is None:
            print(event, flush=True)
            return
        try:
            if self._descriptor is None:
                self._descriptor = os.open(self._listener, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
                if stat.S_ISFIFO(os.fstat(self._descriptor).st_mode):
                    self._every_s = 0.0
            os.write(self._descriptor, (json.dumps(asdict(event)) + "\n").encode())
        except BrokenPipeError:  # nobody listens any more, which is no reason to stop working
            self._listener, self._every_s = None, _LINE_EVERY_S


def read_position(path: Path) -> str | None:
    """Return where a stage stood when it last told, such as "step 40 of 120"; None when it had not told yet."""
    try:
        return path.read_text().strip() or None
    except FileNotFoundError:
        return None


def _shown(name: str, value: float) -> str:
    number = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    if name.endswith("_per_s"):
        return f"{number} {name.removesuffix('_per_s').replace('_', ' ')}/s"
    return f"{name.replace('_', ' ')} {number}"
