"""A run on a terminal: every step with its state, what the one at work does, how fast, and how long it will take."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from components.stages.events import Event, clock
from flows.audience import AUDIENCE, Lines

_MARKS = {"failed": ("x", "red"), "stopped": ("x", "yellow"), "cached": ("=", "dim")}


@dataclass(slots=True)
class _Row:
    mark: str = ""
    style: str = "dim"
    said: str = ""
    share: float | None = None


class Screen:
    """An `Audience` that keeps one line a step up to date; sentences scroll by above."""

    def __init__(self, steps: Sequence[str], console: Console) -> None:
        self._rows = {name: _Row() for name in steps}
        self._console = console
        self._now = ""
        self.live = Live(console=console, refresh_per_second=4, get_renderable=self._render)

    def began(self, name: str) -> None:
        """Mark the step as the one at work."""
        self._now = name
        self._rows[name] = _Row(">", "cyan", "starting")

    def heard(self, event: Event) -> None:
        """Show how far the step at work is."""
        said = str(event).partition(": ")[2]
        self._rows[self._now] = _Row(">", "cyan", said, event.done / max(event.total, 1))

    def ended(self, name: str, how: str, seconds: float) -> None:
        """Show how it ended."""
        mark, style = _MARKS.get(how, ("+", "green"))
        self._rows[name] = _Row(mark, style, how if how == "cached" else f"{how}, {clock(seconds)}")

    def told(self, sentence: str) -> None:
        """Print a sentence above the lines."""
        self._console.print(sentence, highlight=False, markup=False, soft_wrap=True)

    def _render(self) -> Table:
        table = Table.grid(padding=(0, 1))
        for name, row in self._rows.items():
            bar = "" if row.share is None else ProgressBar(total=1.0, completed=row.share, width=16)
            table.add_row(Text(f"  {row.mark or ' '}", row.style), Text(name, row.style), bar, Text(row.said))
        return table


@contextmanager
def shown(steps: Sequence[str]) -> Iterator[None]:
    """Show a run while the block runs: as a screen on a terminal, as plain lines anywhere else."""
    if not sys.stdout.isatty():
        token = AUDIENCE.set(Lines())
        try:
            yield
        finally:
            AUDIENCE.reset(token)
        return
    screen = Screen(steps, Console())
    token = AUDIENCE.set(screen)
    try:
        with screen.live:
            yield
    finally:
        AUDIENCE.reset(token)
