"""Rows worked at a piece after the other. What comes out does not depend on who works at a piece, or when.

A piece is so many rows that follow each other, so an engine that works at several at once shows a model the same batches, and the same bits
come out.
"""

from collections.abc import Callable
from typing import Protocol

import pyarrow as pa

from components.contracts.progress import Progress
from components.data.pieces import Threads, pieces

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

    def run(
        self, begin: Callable[[], Work], rows: pa.Table, piece_rows: int | None, doing: str, together: bool = False
    ) -> pa.Table:
        """Return what comes of all rows, in their order; raises what the work does.

        Args:
            begin: gives the work. It is called where that is done, once a worker, so that a model is opened there.
            rows: one or more.
            piece_rows: in a piece, fewer in the last; None where nothing depends on it, and each piece costs a start.
            doing: what progress is told.
            together: whether threads may call the work at the same time, each with its own piece.
        """


class InProcess:
    """Works here, at one piece after the other, or where it may at as many as it has threads.

    Args:
        processes: that decode pictures; as many threads work at pieces, one at least.
    """

    threads = 1  # since the threads are one for each piece

    def __init__(self, progress: Progress, processes: int = 0) -> None:
        self.within, self.processes = progress, processes

    def run(
        self, begin: Callable[[], Work], rows: pa.Table, piece_rows: int | None, doing: str, together: bool = False
    ) -> pa.Table:
        """Return what comes of all rows, as of Engine; without `piece_rows` they are one piece."""
        work, found, done = begin(), [], 0
        with Threads(max(1, self.processes) if together else 1) as threads:
            for table in threads.each(work, pieces(rows, piece_rows or len(rows))):
                found.append(table)
                done += len(table)
                self.within(doing, done, len(rows))
        return pa.concat_tables(found).combine_chunks()
