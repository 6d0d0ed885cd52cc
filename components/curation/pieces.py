"""Rows worked at a piece after the other. What comes out does not depend on who works at a piece, or when.

A piece is so many rows that follow each other, so an engine that works at several at once shows a model the same batches, and the same bits
come out.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

import pyarrow as pa

from components.contracts.progress import Progress

Work = Callable[[pa.Table], pa.Table]  # row i of what comes out was made of row i of what went in


class Engine(Protocol):
    """What has work done; `InProcess`, and on several machines `OnRay`."""

    @property
    def processes(self) -> int:
        """Return how many processes may decode pictures for the one that works at a piece; 0 for none but itself."""

    @property
    def threads(self) -> int:
        """Return how many of a model's threads may compute at once; 0 for as many as there are cores."""

    @property
    def within(self) -> Progress:
        """Return whom work may tell how far it is with a piece."""

    def run(self, begin: Callable[[], Work], rows: pa.Table, piece_rows: int | None, doing: str) -> pa.Table:
        """Return what comes of all rows, in their order; raises what the work does.

        Args:
            begin: gives the work. It is called where that is done, once a worker, so that a model is opened there.
            rows: one or more.
            piece_rows: in a piece, fewer in the last; None where nothing depends on it, and each piece costs a start.
            doing: what progress is told.
        """


class InProcess:
    """Works here, at one piece after the other.

    Args:
        processes: that decode pictures.
    """

    def __init__(self, progress: Progress, processes: int = 0) -> None:
        self.within, self.processes, self.threads = progress, processes, 0

    def run(self, begin: Callable[[], Work], rows: pa.Table, piece_rows: int | None, doing: str) -> pa.Table:
        """Return what comes of all rows, as of Engine; without `piece_rows` they are one piece."""
        work, found, done = begin(), [], 0
        for piece in pieces(rows, piece_rows or len(rows)):
            found.append(work(piece))
            done += len(piece)
            self.within(doing, done, len(rows))
        return pa.concat_tables(found).combine_chunks()


def pieces(rows: pa.Table, piece_rows: int) -> Iterator[pa.Table]:
    """Yield the rows, so many at once."""
    for start in range(0, len(rows), piece_rows):
        yield rows.slice(start, piece_rows)
