"""Rows shown to a model a piece after the other, several pieces at once on threads: the one loop of `diptych embed` and of curation's features.

What comes out is in the order of what went in, whoever has worked at a piece. A piece always has the same rows, so that a model is shown the
same batches and says the same to the last bit.
"""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Self, TypeVar

import pyarrow as pa

AT_ONCE = 64  # pictures or texts encoded together, which bounds memory

Given = TypeVar("Given")
Made = TypeVar("Made")


def pieces(rows: pa.Table, piece_rows: int) -> Iterator[pa.Table]:
    """Yield the rows, so many at once."""
    for start in range(0, len(rows), piece_rows):
        yield rows.slice(start, piece_rows)


class Threads:
    """Threads that work at pieces. Use as a context manager: where its block is stopped, what has begun is waited for, and nothing else begins.

    Args:
        count: 1 or more.
        nice: by how much they give way to others on this machine, 0 to 19; what else this process does is not slowed.
    """

    def __init__(self, count: int, nice: int = 0) -> None:
        self._pool = ThreadPoolExecutor(count, initializer=_give_way, initargs=(nice,))

    def each(self, work: Callable[[Given], Made], them: Iterable[Given]) -> Iterator[Made]:
        """Yield what comes of each piece, in order; raises what the work does."""
        for future in [self._pool.submit(work, one) for one in them]:
            yield future.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._pool.shutdown(cancel_futures=kind is not None)


def _give_way(nice: int) -> None:
    """Lower the priority of this thread alone, as Linux can."""
    if nice:
        me = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, me, min(19, os.getpriority(os.PRIO_PROCESS, me) + nice))
