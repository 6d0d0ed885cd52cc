"""From steps to batches, in this process or by workers: the same batches in the same order, and never a wait without end."""

import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch._C import _remove_worker_pids
from torch.utils.data import DataLoader, Sampler

from components.contracts.errors import TransientError
from components.data.batches import Made, StepBatches
from components.data.processes import leave_with_parent

PATIENCE_S = 60.0  # for one batch; a batch of 256 photographs at 224 px takes a second
_LOST = re.compile(r"DataLoader worker \(pid.*|Pin memory thread exited.*")  # torch's sentences


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


class StepLoader(DataLoader[Made]):
    """The batches of some steps in their order; TransientError when a worker dies, or is silent for too long."""

    patience_s = PATIENCE_S
    _batches: Any = None
    _silent = False

    def __iter__(self) -> Iterator[Made]:  # type: ignore[override]  # torch's has no name for what it returns
        if not (
            self.num_workers or self.pin_memory
        ):  # nobody can be lost, and torch's way takes a hundredth of a short step
            yield from (self.dataset[position] for position in self.sampler)
            return
        self._batches, self._silent = super().__iter__(), False
        with self.minded():
            while True:
                with self._patience():
                    batch = self._next()
                if batch is None:
                    return
                yield batch

    def _next(self) -> Made | None:
        try:
            return next(self._batches, None)
        except (OSError, EOFError) as err:
            if str(err).startswith("Caught "):  # in a worker, which torch tells so
                raise
            raise self._lost(f"the line to it broke, {type(err).__name__}") from err

    @contextmanager
    def minded(self) -> Iterator[None]:
        """Turn what torch says of a lost worker into one sentence, and end the others.

        torch's signal handler raises wherever the main thread happens to be, mostly in the middle of a step: the block
        must hold the training as well as the loading.
        """
        try:
            yield
        except RuntimeError as err:
            said = _LOST.search(str(err))
            if said is None:
                raise
            raise self._lost(said[0].strip().rstrip(".")) from err

    def _lost(self, how: str) -> TransientError:
        """End what is left of the workers, and return what to say."""
        self._end()
        if self._silent:
            how = f"no batch came in {self.patience_s:g} s"
        return TransientError(
            f"one of the {self.num_workers} processes that make batches was lost ({how}). Mostly the machine had no memory "
            "left for it. Run again, and training goes on from its last checkpoint; if it happens again, set workers lower "
            "in the scale, 0 making batches in the training's own process."
        )

    @contextmanager
    def _patience(self) -> Iterator[None]:
        """Kill the workers when the block takes too long, which torch's handler then tells the main thread.

        torch's own time limit ends where a message begins: a worker that is stopped in the middle of one is waited for
        without end.
        """

        def lose() -> None:
            self._silent = True
            for worker in self._batches._workers:
                worker.kill()

        timer = threading.Timer(self.patience_s, lose) if self.num_workers else None
        if timer is None:
            yield
            return
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _end(self) -> None:
        """End all workers, and torch's watch over them.

        Its own way of shutting down asks them to end, which hangs where one was killed with a lock in its hands, and it
        would raise anew as each of them ends.
        """
        batches = self._batches
        if not self.num_workers or batches is None or batches._shutdown:
            return
        if batches._worker_pids_set:  # first of all, or the end of another worker raises in here
            _remove_worker_pids(id(batches))
            batches._worker_pids_set = False
        for worker in batches._workers:
            worker.kill()
            worker.join()
        for queue in batches._index_queues:
            queue.cancel_join_thread()
            queue.close()
        if self.pin_memory:
            batches._pin_memory_thread_done_event.set()
        batches._shutdown = True


def loader(
    batches: StepBatches, start: int, stop: int, *, workers: int = 0, patience_s: float = PATIENCE_S
) -> StepLoader:
    """Return the batches of steps [start, stop), in order.

    Args:
        workers: processes that make them, forked, so that they share decoded pictures and tokens; 0 makes them here.
        patience_s: seconds after which a batch that does not come is an error; not counted where workers is 0.
    """
    made = StepLoader(
        batches, batch_size=None, sampler=Steps(start, stop), num_workers=workers, pin_memory=torch.cuda.is_available(),
        multiprocessing_context="fork" if workers else None, worker_init_fn=_begin if workers else None,
    )  # fmt: skip
    made.patience_s = patience_s
    return made


def _begin(worker: int) -> None:
    """Leave Ctrl-C and a closed terminal to the parent, whose handlers were forked along, and go when it is gone."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # a fork has none of the threads that read noised texts before
    leave_with_parent()  # torch would look every 5 s
