"""Trainings that torchrun starts as several ranks, and a test as one: `torchrun ... ranks.py FOLDER [silent]`, one file of JSON a rank.

FOLDER/from-one has the checkpoint of a training by one process that was cut off. With `silent` there is one training only, in which a
rank falls silent.
"""

import hashlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import nn

from components.contracts.batch import Batch
from components.contracts.errors import Interrupted, TransientError
from components.contracts.method import Clock, Losses, Method
from components.contracts.progress import silent
from components.contracts.sealed import sha256_of
from components.data.batches import NO_NEGATIVES, StepBatches
from components.data.rows.decoded import decode_pairs
from components.data.samplers.distinct import DistinctBatches
from components.data.tokenizers import Vocabulary
from components.data.transforms.preprocess import Preprocess
from components.data.transforms.views import Views
from components.objectives.multilabel_disjoint import MultiLabelDisjointLoss
from components.objectives.partial_fc import PartialFC
from components.training import checkpoints
from components.training.gather import Gather
from components.training.numbers import ON_GUARD, Guards, Optimisation, Scale
from components.training.train import train
from tests.components.training.flat import flat_clip
from tests.over_ranks import say_where_it_hangs
from tests.squares import clip_at_debug, clustered, square_pool

SILENT_S = 10.0  # a step takes milliseconds; a busy machine may keep a rank from it for seconds
SLOW_S = 1.0  # what a busy disk takes; between two trainings a rank needs less
FROZEN_AT = 7  # the step in which a rank falls silent; a checkpoint is left after 5
POISONED = (6, 7)  # steps after the checkpoint of 5
CUT = 7  # steps after which a training is stopped, and from which it goes on
SCALE = Scale(batch=8, steps=9, pixels=24, precision="fp32", watch_every=9, checkpoint_every=5, curve_every=1)

NUMBERS = Optimisation(lr=3e-3, weight_decay=0.1, clip_norm=1.0)


class Pairwise(Method):
    """How far a picture is from its own text, the mean over rows: what a rank computes does not depend on the others."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.model = nn.ModuleDict({"image": nn.Linear(3 * SCALE.pixels**2, 8), "text": nn.Embedding(vocabulary, 8)})

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        image = self.model["image"](batch.images["main"].pixels.flatten(1))
        text = self.model["text"](batch.texts["caption"].ids[:, :4]).mean(1)  # as many tokens on every rank
        return Losses(terms={"far": (image - text).square().mean()})


class Queued(Pairwise):
    """Keeps the first four pixels of the last pictures that this rank has seen, and their sum over all steps."""

    per_rank = ("queue", "seen")

    def __init__(self, vocabulary: int) -> None:
        super().__init__(vocabulary)
        self.register_buffer("queue", torch.zeros(3, 4))
        self.register_buffer("seen", torch.tensor(0.0))

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        first = batch.images["main"].pixels.flatten(1)[:1, :4]
        self.queue.copy_(torch.cat([self.queue[1:], first]))
        self.seen += batch.images["main"].pixels.mean()
        return super().losses(batch, clock)


class Rowed(Pairwise):
    """Learns clusters of pictures, by rows of which each rank has some."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__(vocabulary)
        self.rows, self.loss, self.gather = PartialFC(11, 8, ratio=0.8, scale=8.0), MultiLabelDisjointLoss(), Gather()
        self.model["text"].requires_grad_(False)

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        image = self.model["image"](batch.images["main"].pixels.flatten(1))
        gathered = self.gather(image, torch.arange(len(batch)), len(batch), batch.ids["clusters"])
        looked = self.rows(gathered.all, gathered.label, torch.initial_seed())
        return Losses(terms={"clusters": self.loss(looked.logits, looked.is_positive)})

    def after_step(self, clock: Clock) -> None:
        self.rows.step(0.02, (0.9, 0.99), 1e-6, 0.01)


@dataclass
class Told:
    """What a training saw and came to."""

    keys: dict[int, tuple[str, ...]] = field(default_factory=dict)
    curves: str = ""
    weights: list[float] = field(default_factory=list)
    digest: str = ""
    error: str = ""
    own: list[float] = field(default_factory=list)

    @contextmanager
    def lost(self) -> Iterator[None]:
        """Keep what is said of a rank that is gone."""
        try:
            yield
        except TransientError as err:
            self.error = str(err)


def pairwise(vocabulary: Vocabulary) -> Method:
    torch.manual_seed(0)
    return Pairwise(len(vocabulary))


def queued(vocabulary: Vocabulary) -> Method:
    torch.manual_seed(0)
    return Queued(len(vocabulary))


def rowed(vocabulary: Vocabulary) -> Method:
    torch.manual_seed(0)
    return Rowed(len(vocabulary))


def poisoned(vocabulary: Vocabulary, at: Sequence[int] = (4,)) -> Method:
    """The loss of one rank is no number, in some steps."""
    method = pairwise(vocabulary)
    losses = method.losses

    def now_and_then(batch: Batch, clock: Clock) -> Losses:
        given = losses(batch, clock)
        bad = clock.step in at and os.environ["RANK"] == "1"
        return Losses(terms={name: term * float("nan") if bad else term for name, term in given.terms.items()})

    method.losses = now_and_then
    return method


def twice_poisoned(vocabulary: Vocabulary) -> Method:
    """The same in two steps after a checkpoint, which leads to the second one where it is gone back to."""
    return poisoned(vocabulary, POISONED)


def collapsing(vocabulary: Vocabulary) -> Method:
    """One rank's embeddings have one direction, and the other has none to look at, or in some steps such as are well."""
    method = pairwise(vocabulary)
    well = torch.randn(16, 8, generator=torch.Generator().manual_seed(0))
    losses = method.losses

    def alike(batch: Batch, clock: Clock) -> Losses:
        own = torch.ones(16, 8) if os.environ["RANK"] == "1" else well if clock.step in (3, 4) else None
        return replace(losses(batch, clock), embedded={} if own is None else {"image": own[: len(batch)]})

    method.losses = alike
    return method


def dying(vocabulary: Vocabulary) -> Method:
    """One rank is gone in the middle of a step, as a process that is killed; torchrun, which would end the others, hears 0."""
    method = pairwise(vocabulary)
    losses = method.losses

    def until_three(batch: Batch, clock: Clock) -> Losses:
        if clock.step == 3 and os.environ["RANK"] == "1":
            os._exit(0)
        return losses(batch, clock)

    method.losses = until_three
    return method


def freezing(vocabulary: Vocabulary) -> Method:
    """One rank stops in the middle of a step as a frozen machine does: its lines stay open, and nothing comes over them."""
    method = pairwise(vocabulary)
    losses = method.losses

    def until_seven(batch: Batch, clock: Clock) -> Losses:
        if clock.step == FROZEN_AT and os.environ["RANK"] == "1":
            os.kill(os.getpid(), signal.SIGSTOP)
        return losses(batch, clock)

    method.losses = until_seven
    return method


def run(
    make: Callable[[Vocabulary], Method],
    folder: Path,
    stop_at: int | None = None,
    scale: Scale = SCALE,
    guards: Guards = ON_GUARD,
    numbers: Optimisation = NUMBERS,
    negatives: Mapping[str, Sequence[str]] = NO_NEGATIVES,
) -> Told:
    """Train on the squares, as whichever rank we are."""
    pool, told = clustered(square_pool()), Told()
    vocabulary = Vocabulary.train([text for texts in pool.captions for text in texts], size=300, context=12)
    pairs, method = decode_pairs(pool, Preprocess(size=32), silent), make(vocabulary)
    order = DistinctBatches(pairs.concepts, SCALE.batch, seed=3)
    losses = method.losses

    def watched(batch: Batch, clock: Clock) -> Losses:
        told.keys[clock.step] = batch.keys
        return losses(batch, clock)

    def progress(doing: str, done: int, total: int, **seen: float) -> None:
        if done == stop_at:
            raise Interrupted("stopped by the test")

    method.losses = watched
    folder.mkdir(exist_ok=True)
    with suppress(Interrupted), told.lost():
        told.curves = train(
            method, StepBatches(pairs, vocabulary, Views(pixels=SCALE.pixels), order, seed=3, negatives=negatives),
            numbers, scale, seed=3, folder=folder, progress=progress,
            log=lambda step, values: None, watch=lambda model: {}, guards=guards,
        ).curves  # fmt: skip
    weights = torch.cat([value.detach().cpu().flatten() for value in method.parameters()])
    told.weights, told.digest = weights[:200].tolist(), hashlib.sha256(weights.numpy().tobytes()).hexdigest()
    told.own = [float(one) for name in method.per_rank for one in method.get_buffer(name).flatten()]
    if isinstance(method, Rowed):
        told.own = [float(one) for kept in (method.rows.rows, method.rows.second) for one in kept.flatten()]
    return told


def main() -> None:
    """Train whole, on from where one process was cut off, by a method with a contrast, and until one rank is stopped."""
    say_where_it_hangs()
    if sys.argv[2:] == ["silent"]:
        return silenced(Path(sys.argv[1]))
    folder, stop_at = Path(sys.argv[1]), CUT if os.environ["RANK"] == "1" else None
    told = {
        "whole": run(pairwise, folder / "whole"), "from-one": run(pairwise, folder / "from-one"),
        "clip": run(clip_at_debug, folder / "clip"), "cut": run(pairwise, folder / "cut", stop_at=stop_at),
        "encoded-whole": run(flat_clip, folder / "encoded-whole"),
        "encoded-in-parts": run(flat_clip, folder / "encoded-in-parts", scale=replace(SCALE, micro_batch=3)),
        "collapsing": run(collapsing, folder / "collapsing", guards=Guards(patience=2)),
        "poisoned": run(poisoned, folder / "poisoned"), "queued": run(queued, folder / "queued"),
    }  # fmt: skip
    with slow_reader():
        told["gone-back"] = run(twice_poisoned, folder / "gone-back", guards=Guards(non_finite="roll_back"))
    told |= {name: run(rowed, folder / name) for name in ("rowed", "rowed-from-one")}
    told["rowed-cut"] = run(rowed, folder / "rowed-cut", stop_at=stop_at)
    with slow_disk():
        told["queued-cut"] = run(queued, folder / "queued-cut", stop_at=stop_at)
    if os.environ["RANK"] == "0":  # for one process to go on from
        shutil.copytree(folder / "queued-cut", folder / "queued-cut-by-two")
    told["queued-resumed"] = run(queued, folder / "queued-cut")
    write(folder, told)
    write(folder, {**told, "dying": run(dying, folder / "dying")})


@contextmanager
def slow_disk() -> Iterator[None]:
    """Let bytes take their time to the disk, so that a rank that does not wait for the one that writes is ahead of it."""
    fsync = os.fsync

    def late(descriptor: int) -> None:
        time.sleep(SLOW_S)
        fsync(descriptor)

    os.fsync = late
    try:
        yield
    finally:
        os.fsync = fsync


@contextmanager
def slow_reader() -> Iterator[None]:
    """Let one rank take its time over a checkpoint that it reads, which the other may drop meanwhile."""

    def late(path: Path) -> str:
        if os.environ["RANK"] == "1":
            time.sleep(SLOW_S)
        return sha256_of(path)

    checkpoints.sha256_of = late
    try:
        yield
    finally:
        checkpoints.sha256_of = sha256_of


def silenced(folder: Path) -> None:
    """Train to the end, waiting long; then until a rank is silent, which the other says; then let it go on, and say what it says."""
    meet(folder)
    run(pairwise, folder / "before", guards=ON_GUARD)  # whose group the next training meets in
    told = run(freezing, folder / "freezing", guards=Guards(rank_timeout_s=SILENT_S))
    if os.environ["RANK"] == "0":
        os.kill(int((folder / "there-1").read_text()), signal.SIGCONT)
    write(folder, {"freezing": told})


def meet(folder: Path, timeout_s: float = 120.0) -> None:
    """Wait until both ranks are there, so that no time is short but that of a step."""
    half, here = folder / f"half-{os.environ['RANK']}", folder / f"there-{os.environ['RANK']}"
    half.write_text(str(os.getpid()))
    half.rename(here)
    deadline = time.monotonic() + timeout_s
    while len(there := sorted(path.name for path in folder.glob("there-*"))) < 2:
        assert time.monotonic() < deadline, f"of two ranks only {there} came in {timeout_s} s"
        time.sleep(0.01)


def write(folder: Path, told: dict[str, Told]) -> None:
    """Leave what this rank says."""
    said = json.dumps({name: vars(one) for name, one in told.items()})
    (folder / f"{os.environ['RANK']}.json").write_text(said)


if __name__ == "__main__":
    main()
