"""How work tells how far it is. Whoever shows it (a terminal, an event file, nobody) is not the worker's business."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class Progress(Protocol):
    """Called after each piece of work, never before the first."""

    def __call__(self, doing: str, done: int, total: int, **seen: float) -> None:
        """Tell that `done` of `total` pieces of `doing` are finished; `seen` are numbers worth showing, such as loss."""


def silent(doing: str, done: int, total: int, **seen: float) -> None:
    """Tell nobody."""
