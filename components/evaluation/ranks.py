"""Work that several processes share out, each a piece in turn, so that all have all results: to the bit those of one process.

A piece is what one process would do at once, such as a batch of pictures or a block of queries. It is never cut, since products of other sizes are
rounded otherwise. A process alone works several at once, a processor each: a small batch leaves the others idle where torch spreads its products over
all of them. Axes: R rows of a piece.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from datetime import timedelta

import numpy as np

from components.data.share import Share

WAITS_S = 1800.0  # for the others, who may decode large pictures
MOST_AT_ONCE = 8  # pieces of one process: each holds what is between the layers of its rows
ALONE = Share()
_MOST_AXES = 7
_share: ContextVar[Share] = ContextVar("share")

Arrays = tuple[np.ndarray, ...]


@contextmanager
def sharing() -> Iterator[Share]:
    """Share out, within, what `in_pieces` is asked, among the ranks that torchrun started, or that have met already; alone, nothing changes.

    All of them have to ask the same, in the same order. A rank that fails ends the others.
    """
    import torch.distributed as dist

    meets = dist.is_torchelastic_launched() and not dist.is_initialized()
    if meets:
        dist.init_process_group("gloo", timeout=timedelta(seconds=WAITS_S))
    share = Share(rank=dist.get_rank(), world=dist.get_world_size()) if dist.is_initialized() else ALONE
    before = _share.set(share)
    try:
        yield share
    finally:
        _share.reset(before)
        if meets:
            dist.destroy_process_group()


def device() -> str:
    """Return where this rank computes: on a GPU of its own while there are any left, else on one that it shares, in turn; without GPUs on the CPU."""
    import torch

    if not torch.cuda.is_available():
        return "cpu"
    return f"cuda:{int(os.environ.get('LOCAL_RANK', '0')) % torch.cuda.device_count()}"


def in_pieces(
    work: Callable[[int], Arrays], starts: Sequence[int], threads: int = 1, after: Callable[[int], None] = lambda start: None
) -> list[Arrays]:  # fmt: skip
    """Return what `work` gives at each start, in their order.

    Args:
        work: of one piece; as many arrays at every start.
        starts: what pieces are asked for by.
        threads: as many are worked at once where no ranks share them out, each by its part of torch's threads.
        after: is told each start once it is worked, in their order, by the thread that calls this.
    """
    share = _share.get(ALONE)
    if share.world == 1:
        return _at_once(work, starts, min(threads, len(starts), MOST_AT_ONCE), after)
    found: list[Arrays] = []
    for first in range(0, len(starts), share.world):  # a round: a piece each, then all hear of all
        its = starts[first : first + share.world]
        own = work(its[share.rank]) if share.rank < len(its) else ()
        for rank, start in enumerate(its):
            found.append(_told(own if rank == share.rank else None, rank))
            after(start)
    return found


def _at_once(
    work: Callable[[int], Arrays], starts: Sequence[int], threads: int, after: Callable[[int], None]
) -> list[Arrays]:
    """Work this many pieces at a time; where one fails, those that have not begun never do."""
    if threads < 2:
        return [_then(work(start), start, after) for start in starts]
    import torch

    def piece(context: Context, start: int) -> Arrays:
        with torch.inference_mode(inferred):  # a thread's own
            return context.run(work, start)

    inferred, before = torch.is_inference_mode_enabled(), torch.get_num_threads()
    torch.set_num_threads(max(before // threads, 1))  # of threads that begin now
    pool = ThreadPoolExecutor(threads, thread_name_prefix="piece")
    try:
        pieces = [pool.submit(piece, copy_context(), start) for start in starts]
        return [_then(found.result(), start, after) for found, start in zip(pieces, starts, strict=True)]
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(before)


def _then(found: Arrays, start: int, after: Callable[[int], None]) -> Arrays:
    after(start)
    return found


def _told(own: Arrays | None, by: int) -> Arrays:
    """Return the arrays of one rank, which alone has them, to all."""
    count = int(_sent(None if own is None else np.array([len(own)]), by, (1,), "<i8")[0])
    arrays = []
    for place in range(count):
        mine = None if own is None else np.ascontiguousarray(own[place])
        head = None
        if mine is not None:
            kind = np.frombuffer(mine.dtype.str.encode().ljust(8), np.uint8).astype(np.int64)
            head = np.array([*kind, mine.ndim, *mine.shape, *[0] * (_MOST_AXES - mine.ndim)])
        said = _sent(head, by, (9 + _MOST_AXES,), "<i8")
        dtype, axes = np.dtype(said[:8].astype(np.uint8).tobytes().decode().strip()), int(said[8])
        shape = tuple(map(int, said[9 : 9 + axes]))
        arrays.append(_sent(mine, by, shape, dtype.str))
    return tuple(arrays)


def _sent(own: np.ndarray | None, by: int, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Return an array of one rank to all, byte for byte."""
    import torch
    import torch.distributed as dist

    array = np.empty(shape, dtype) if own is None else own
    rows = array.reshape(-1).view(np.uint8) if array.size else np.zeros(0, np.uint8)
    bytes_ = torch.from_numpy(rows.copy())
    if len(bytes_):
        dist.broadcast(bytes_, src=by)
    return bytes_.numpy().view(dtype).reshape(shape)
