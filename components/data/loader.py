"""From steps to batches, in this process or by workers: the same batches in the same order, and never a wait without end."""

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils.data import DataLoader, Sampler

from components.contracts.batch import Batch
from components.contracts.errors import TransientError
from components.data.batches import StepBatches

PATIENCE_S = 60.0  # for one batch; a batch of 256 photographs at 224 px takes a second
_LOST = re.compile(r"DataLoader worker \(pid.*|DataLoader timed out.*|Pin memory thread exited.*")  # torch's sentences


class Steps(Sampler[int]):
    """The steps from `start` to `stop`, of which the ones before `start` count as taken.

    Its length is `stop`: Lightning adds the batches behind a checkpoint to those it fetched, and compares with the length.
    """

    def __init__(self, start: int, stop: int) -> None:
        self.start, self.stop = start, stop

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.start, self.stop))

    def __len__(self) -> int:
        return self.stop


class StepLoader(DataLoader[Batch]):
    """The batches of some steps in their order; TransientError when a worker dies, or is silent for too long."""

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]  # torch's has no name for what it returns
        batches: Any = super().__iter__()
        try:
            with lost_workers(self.num_workers):
                yield from batches
        except TransientError:
            for worker in getattr(batches, "_workers", ()):  # torch asks them to end, which a stopped one never hears
                worker.kill()
            raise


def loader(
    batches: StepBatches, start: int, stop: int, *, workers: int = 0, patience_s: float = PATIENCE_S
) -> StepLoader:
    """Return the batches of steps [start, stop), in order.

    Args:
        workers: processes that make them, forked, so that they share decoded pictures and tokens; 0 makes them here.
        patience_s: seconds after which a batch that does not come is an error; not counted where workers is 0.
    """
    return StepLoader(
        batches, batch_size=None, sampler=Steps(start, stop), num_workers=workers, pin_memory=torch.cuda.is_available(),
        timeout=patience_s if workers else 0, multiprocessing_context="fork" if workers else None,
        worker_init_fn=_end_quietly if workers else None,
    )  # fmt: skip


@contextmanager
def lost_workers(workers: int) -> Iterator[None]:
    """Turn what torch says of a lost worker into one sentence.

    Its signal handler raises wherever the main thread happens to be, mostly in the middle of a step: the block must hold
    the training as well as the loading.
    """
    try:
        yield
    except RuntimeError as err:
        said = _LOST.search(str(err))
        if said is None:
            raise
        raise TransientError(
            f"one of the {workers} processes that make batches was lost ({said[0].strip().rstrip('.')}). Mostly the machine had "
            "no memory left for it. Run again, and training goes on from its last checkpoint; if it happens again, set "
            "workers lower in the scale, 0 making batches in the training's own process."
        ) from err


def _end_quietly(worker: int) -> None:
    """Leave Ctrl-C and a closed terminal to the parent, whose handlers were forked along."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
