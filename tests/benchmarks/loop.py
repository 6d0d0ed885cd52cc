"""What the training loop costs beside a bare loop over the same steps: `python -m tests.benchmarks.loop --batch 24 --runs 5`.

Both sides run the recipe `clip` at `debug` on coloured squares: the same batches, losses, optimizer, schedule and bits. Ours is
`train`, with its curves, guards, progress and Lightning; the other is what a person would write who wants none of these. Each
has a thread, and they take turns every few steps, so that what else the machine does comes to both; CPU-seconds are those of
the thread, and the first turn of each is not counted. Checkpoints are not made: what they cost is their number's. Prints one
JSON object as its last line; --keep writes it to docs/benchmarks/loop.json.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Condition
from typing import Any

import torch

from components.contracts.method import Clock, Method
from components.contracts.progress import silent
from components.data.batches import StepBatches
from components.data.rows.decoded import decode_pairs
from components.data.samplers.distinct import DistinctBatches
from components.data.tokenizers import Vocabulary
from components.data.transforms.preprocess import Preprocess
from components.data.transforms.views import Views
from components.recipes.recipe import load_recipe, load_scale
from components.recipes.section import build
from components.training.numbers import ON_GUARD, Optimisation, Scale
from components.training.param_groups import optimizer_of
from components.training.schedules import schedule_of
from components.training.train import train
from infra.results import processor
from tests.benchmarks.loader import commit
from tests.squares import REPOSITORY, clip_at_debug, square_pool

KEPT_AT = REPOSITORY / "docs/benchmarks/loop.json"
TURN = 5  # steps
PATIENCE_S = 120
Spent = tuple[float, float]
"""CPU-seconds of a thread, and seconds by the clock."""


def main() -> None:
    """Take turns, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--batch",
        type=int,
        default=24,
        help="pairs a step, at most the 25 concepts there are; a step should take some 20 ms (24)",
    )
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT_AT.relative_to(REPOSITORY)}")
    given = parser.parse_args()
    torch.set_num_threads(1)
    said = compared(given.batch, given.steps, given.runs) | {
        "machine": f"{os.cpu_count()} cores, {processor()}, no GPU", "torch": torch.__version__, "date": time.strftime("%Y-%m-%d"),
        "command": f"python -m tests.benchmarks.loop --batch {given.batch} --steps {given.steps} --runs {given.runs}",
        "commit": commit(),
    }  # fmt: skip
    if given.keep:
        KEPT_AT.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(said))


def compared(batch: int, steps: int, runs: int) -> dict[str, Any]:
    """Return the medians of both sides, and the ratios of the turns: each of ours over the bare loop's beside it."""
    pool = square_pool()
    vocabulary = Vocabulary.train([text for texts in pool.captions for text in texts], size=300, context=12)
    recipe, scale = load_recipe(REPOSITORY, "clip", "debug"), load_scale(REPOSITORY, "debug")
    pairs = decode_pairs(pool, Preprocess(size=round(scale.pixels * 4 / 3)), silent)
    views = build({**recipe.training.views, "pixels": scale.pixels}, Views)
    batches = StepBatches(pairs, vocabulary, views, DistinctBatches(pairs.concepts, batch, seed=0), seed=0)
    numbers = replace(
        scale, batch=batch, steps=steps, precision="fp32", watch_every=steps, checkpoint_every=steps, curve_every=5
    )
    turns, losses = [], []
    for _ in range(runs):
        spent, ended = abreast({
            side: partial(loop, clip_at_debug(vocabulary), batches, recipe.training.optimisation, numbers)
            for side, loop in (("bare", bare_loop), ("ours", our_loop))
        })  # fmt: skip
        turns.append((spent["ours"], spent["bare"]))
        losses.append((ended["ours"], ended["bare"]))
    if any(mine != theirs for mine, theirs in losses):
        raise RuntimeError(f"the two loops do not end in the same loss, so there is nothing to compare: {losses}")
    cpu = [mine[0] / theirs[0] for mine, theirs in turns]
    counted = steps - TURN
    return {
        "bench": "loop", "ratio": round(statistics.median(cpu), 3), "lowest": round(min(cpu), 3), "highest": round(max(cpu), 3),
        "wall_ratio": round(statistics.median(mine[1] / theirs[1] for mine, theirs in turns), 3),
        "ours": round(1e3 * statistics.median(mine[0] for mine, _ in turns) / counted, 2),
        "peer": round(1e3 * statistics.median(theirs[0] for _, theirs in turns) / counted, 2),
        "peer_version": "a bare loop", "unit": "CPU-milliseconds a step", "batch": batch, "steps": steps, "runs": runs,
    }  # fmt: skip


class Taking:
    """Lets two threads take turns of so many steps, and adds up what each took in its turns but the first.

    Args:
        turn: steps.
    """

    def __init__(self, turn: int) -> None:
        self.turn, self.whose, self.changed = turn, "bare", Condition()
        self.of: dict[str, Spent] = {}
        self.began: Spent = (0.0, 0.0)

    def begin(self, side: str) -> None:
        """Wait for this side's turn, and start its clocks."""
        with self.changed:
            if not self.changed.wait_for(lambda: self.whose == side, PATIENCE_S):
                raise RuntimeError(f"the other side did not end its turn within {PATIENCE_S} s, or at all.")
        self.began = now()

    def ended(self, side: str, step: int, steps: int) -> None:
        """Count the step, and hand over where the turn is at its end."""
        if step % self.turn and step < steps:
            return
        cpu, wall = self.of.get(side, (0.0, 0.0))
        ended = now()
        if step > self.turn:
            self.of[side] = cpu + ended[0] - self.began[0], wall + ended[1] - self.began[1]
        with self.changed:
            self.whose = "ours" if side == "bare" else "bare"
            self.changed.notify_all()
        if step < steps:
            self.begin(side)


def abreast(sides: Mapping[str, Callable[[Taking], float]]) -> tuple[dict[str, Spent], dict[str, float]]:
    """Let both sides take turns, and return what each took and its last loss; raises what a side raises."""
    taking = Taking(TURN)
    with ThreadPoolExecutor(len(sides)) as threads:
        running = {side: threads.submit(run, taking) for side, run in sides.items()}
        return taking.of, {side: one.result() for side, one in running.items()}


def our_loop(method: Method, batches: StepBatches, optimisation: Optimisation, scale: Scale, taking: Taking) -> float:
    """Train, and return the last loss."""
    losses: dict[int, float] = {}

    def log(step: int, values: Mapping[str, float]) -> None:
        if "train.loss" in values:
            losses[step] = values["train.loss"]

    def progress(what: str, done: int, total: int, **numbers: float) -> None:  # the last that a step does
        taking.ended("ours", done, total)

    taking.begin("ours")
    with tempfile.TemporaryDirectory() as folder:
        train(
            method, batches, optimisation, scale, seed=0, folder=Path(folder), progress=progress, log=log, watch=lambda model: {},
            guards=replace(ON_GUARD, most_waiting=1.0),  # the other side's turn looks like a wait for data
        )  # fmt: skip
    return losses[scale.steps]


def bare_loop(method: Method, batches: StepBatches, optimisation: Optimisation, scale: Scale, taking: Taking) -> float:
    """Do the same steps with nothing around them."""
    taking.begin("bare")
    method.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    method.train()
    optimizer = optimizer_of(method, optimisation)
    schedule = schedule_of(optimizer, optimisation, scale.steps)
    total = torch.zeros(())
    for step in range(scale.steps):
        clock = Clock(step=step, total_steps=scale.steps, epoch=step // batches.order.steps_per_epoch)
        batch = batches[step]
        total = torch.stack([term.float() for term in method.losses(batch, clock).terms.values()]).sum()  # type: ignore[arg-type]
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        schedule.step()
        method.after_step(clock)
        taking.ended("bare", step + 1, scale.steps)
    return float(total.detach())


def now() -> Spent:
    """Return both clocks."""
    return time.thread_time(), time.perf_counter()


if __name__ == "__main__":
    main()
