"""The same batches in the same order by any number of workers, also after KILL; and a worker that is lost is an error."""

import multiprocessing
import random
import re
import signal
from dataclasses import replace
from multiprocessing.connection import Connection

import psutil
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.contracts.batch import Batch
from components.contracts.errors import TransientError, is_transient
from components.contracts.progress import silent
from components.data.batches import StepBatches
from components.data.loader import loader
from components.data.rows.decoded import decode_pairs
from components.data.rows.pairs import Pairs
from components.data.samplers.distinct import DistinctBatches
from components.data.share import Share
from components.data.tokenizers import Vocabulary
from components.data.transforms.preprocess import Preprocess
from components.data.transforms.views import Views

BATCH, SEED = 8, 5


@pytest.fixture(scope="module")
def pairs(squares) -> Pairs:
    """The squares, each with a second caption of its own."""
    both = tuple((*own, key) for own, key in zip(squares.captions, squares.keys, strict=True))
    return decode_pairs(replace(squares, captions=both), Preprocess(size=20), silent)


def made(pairs: Pairs, vocabulary: Vocabulary, share: Share | None = None) -> StepBatches:
    """Batches of distinct concepts."""
    order = DistinctBatches(pairs.concepts, BATCH, SEED)
    return StepBatches(pairs, vocabulary, Views(pixels=16), order, seed=SEED, share=share)


@pytest.fixture(scope="module")
def batches(pairs, vocabulary) -> StepBatches:
    return made(pairs, vocabulary)


def same(given, wanted) -> bool:
    """Whether two batches are equal to the bit."""
    texts = [(one.texts["caption"].ids.tolist(), one.texts["caption"].mask.tolist()) for one in (given, wanted)]
    pixels = torch.equal(given.images["main"].pixels, wanted.images["main"].pixels)
    return given.keys == wanted.keys and pixels and texts[0] == texts[1]


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize(("start", "stop"), [(0, 7), (3, 8), (5, 5)])
def test_the_loader_gives_the_steps_from_start_to_stop(batches, start, stop, workers):
    given = list(loader(batches, start, stop, workers=workers))
    assert len(given) == stop - start
    assert all(same(batch, batches[step]) for batch, step in zip(given, range(start, stop), strict=True))
    assert len(loader(batches, start, stop)) == stop  # as Lightning counts, with what a checkpoint has behind it


@given(world=st.sampled_from([1, 2, 4]), workers=st.integers(0, 2), start=st.integers(0, 40))
@settings(max_examples=8)
def test_ranks_and_workers_decide_who_makes_a_batch_and_never_what_is_in_it(
    pairs, vocabulary, batches, world, workers, start
):
    shares = [made(pairs, vocabulary, Share(rank=rank, world=world)) for rank in range(world)]
    ranks = [list(loader(share, start, start + 4, workers=workers)) for share in shares]
    for place in range(4):
        assert tuple(key for rank in ranks for key in rank[place].keys) == batches[start + place].keys
        pixels = torch.cat([rank[place].images["main"].pixels for rank in ranks])
        assert torch.equal(pixels, batches[start + place].images["main"].pixels)


def print_keys(into: Connection, batches: StepBatches, stop: int, workers: int) -> None:
    """Send the keys of each step, in a process made to be killed."""
    torch.set_num_threads(1)  # the threads of the process it was forked from are not there
    for step, batch in enumerate(loader(batches, 0, stop, workers=workers)):
        into.send((step, batch.keys))


@pytest.mark.parametrize(("before", "after"), [(0, 2), (1, 0), (2, 1)])
def test_killed_at_any_step_another_number_of_workers_goes_on_with_the_same_samples(batches, before, after, until):
    """The kill comes at a step that is drawn; what was sent by then has been seen by a training."""
    stop, kill_at = 24, random.Random(f"{SEED}/{before}/{after}").randrange(3, 20)
    fork = multiprocessing.get_context("fork")
    out, into = fork.Pipe(duplex=False)
    first = fork.Process(target=print_keys, args=(into, batches, 10_000, before))
    first.start()
    seen = [out.recv() for _ in range(kill_at)]
    workers = psutil.Process(first.pid).children()
    first.kill()
    first.join()
    assert first.exitcode == -signal.SIGKILL
    assert len(workers) == before
    seen += [(step, batch.keys) for step, batch in enumerate(loader(batches, kill_at, stop, workers=after), kill_at)]
    assert seen == [(step, batches[step].keys) for step in range(stop)]
    until(lambda: not any(worker.is_running() for worker in workers), lambda: workers)  # no orphan is left


def harmed(batches: StepBatches, workers: int, children, harm, patience_s: float = 60.0) -> TransientError:
    """Load until the harm that is done to one of the workers after the first batch is told."""
    steps = loader(batches, 0, 100_000, workers=workers, patience_s=patience_s)

    def load() -> None:
        with steps.minded():
            for step, _ in enumerate(steps):
                if step == 0:
                    harm(children()[-1])

    with pytest.raises(TransientError) as err:
        load()
    return err.value


def test_a_worker_that_is_killed_is_one_sentence_soon_and_the_others_end(batches, children):
    told = harmed(batches, 2, children, lambda worker: worker.kill())
    assert re.fullmatch(
        r"one of the 2 processes that make batches was lost \((DataLoader worker \(pid|the line to it broke).*\)\. .*last checkpoint.*",
        str(told),
    )
    assert is_transient(told)
    assert children() == []


def test_a_worker_that_says_nothing_is_an_error_and_is_ended(batches, children):
    """Stopped anywhere, also in the middle of a message, where torch's own time limit does not reach."""
    told = harmed(batches, 1, children, lambda worker: worker.suspend(), patience_s=1.0)
    assert "was lost (no batch came in 1 s)" in str(told)
    assert children() == []


@pytest.mark.parametrize("fault", [OSError("no such picture"), EOFError("cut"), RuntimeError("odd shape")])
def test_a_fault_of_a_batch_stays_what_it_is_and_is_no_lost_worker(pairs, vocabulary, fault):
    class Broken(StepBatches):
        def __getitem__(self, step: int) -> Batch:
            raise fault

    broken = Broken(pairs, vocabulary, Views(pixels=16), DistinctBatches(pairs.concepts, BATCH, SEED), seed=SEED)
    with pytest.raises(type(fault), match=f"Caught {type(fault).__name__} in DataLoader worker") as err:
        list(loader(broken, 0, 3, workers=1))
    assert str(fault) in str(err.value)


def test_other_faults_stay_what_they_are(batches):
    steps = loader(batches, 0, 3, workers=1)
    with pytest.raises(RuntimeError, match="mine"), steps.minded():
        raise RuntimeError("mine")
