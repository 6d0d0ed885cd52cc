"""What the training loop costs beside a bare loop over the same steps: `python -m tests.benchmarks.loop --batch 48 --runs 5`.

Both sides run the recipe `clip` at `debug` on coloured squares: the same batches, losses, optimizer, schedule and bits. Ours is
`train`, with its curves, guards, progress and Lightning; the other is what a person would write who wants none of these. They
take turns in one process on one core, and the first step of each is not counted. Checkpoints are not made: what they cost is
their number's. Prints one JSON object as its last line; --keep writes it to docs/benchmarks/loop.json.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
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
from components.training.numbers import Optimisation, Scale
from components.training.param_groups import optimizer_of
from components.training.schedules import schedule_of
from components.training.train import train
from infra.results import processor
from tests.benchmarks.loader import commit
from tests.squares import REPOSITORY, clip_at_debug, square_pool

KEPT_AT = REPOSITORY / "docs/benchmarks/loop.json"
Spent = tuple[float, float]
"""CPU-seconds and seconds by the clock, of all steps but the first."""


def main() -> None:
    """Take turns, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=48, help="pairs a step; a step should take some 20 ms (48)")
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
        ours, bare = clip_at_debug(vocabulary), clip_at_debug(vocabulary)
        (theirs, their_loss), (mine, my_loss) = (
            side(method, batches, recipe.training.optimisation, numbers)
            for side, method in ((bare_loop, bare), (our_loop, ours))
        )
        turns.append((mine, theirs))
        losses.append((my_loss, their_loss))
    if any(mine != theirs for mine, theirs in losses):
        raise RuntimeError(f"the two loops do not end in the same loss, so there is nothing to compare: {losses}")
    cpu = [mine[0] / theirs[0] for mine, theirs in turns]
    counted = steps - 1
    return {
        "bench": "loop", "ratio": round(statistics.median(cpu), 3), "lowest": round(min(cpu), 3), "highest": round(max(cpu), 3),
        "wall_ratio": round(statistics.median(mine[1] / theirs[1] for mine, theirs in turns), 3),
        "ours": round(1e3 * statistics.median(mine[0] for mine, _ in turns) / counted, 2),
        "peer": round(1e3 * statistics.median(theirs[0] for _, theirs in turns) / counted, 2),
        "peer_version": "a bare loop", "unit": "CPU-milliseconds a step", "batch": batch, "steps": steps, "runs": runs,
    }  # fmt: skip


def our_loop(method: Method, batches: StepBatches, optimisation: Optimisation, scale: Scale) -> tuple[Spent, float]:
    """Train, and return what the steps took and the last loss."""
    marks: dict[int, Spent] = {}
    losses: dict[int, float] = {}

    def log(step: int, values: Mapping[str, float]) -> None:
        if "train.loss" in values:
            marks[step] = now()
            losses[step] = values["train.loss"]

    with tempfile.TemporaryDirectory() as folder:
        train(
            method, batches, optimisation, scale, seed=0, folder=Path(folder), progress=silent, log=log, watch=lambda model: {},
        )  # fmt: skip
    return since(marks[1], marks[scale.steps]), losses[scale.steps]


def bare_loop(method: Method, batches: StepBatches, optimisation: Optimisation, scale: Scale) -> tuple[Spent, float]:
    """Do the same steps with nothing around them."""
    method.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    method.train()
    optimizer = optimizer_of(method, optimisation)
    schedule = schedule_of(optimizer, optimisation, scale.steps)
    began, total = now(), torch.zeros(())
    for step in range(scale.steps):
        clock = Clock(step=step, total_steps=scale.steps, epoch=step // batches.order.steps_per_epoch)
        batch = batches[step]
        total = torch.stack([term.float() for term in method.losses(batch, clock).terms.values()]).sum()  # type: ignore[arg-type]
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        schedule.step()
        method.after_step(clock)
        if step == 0:
            began = now()
    return since(began, now()), float(total.detach())


def now() -> Spent:
    """Return both clocks."""
    return time.process_time(), time.perf_counter()


def since(began: Spent, ended: Spent) -> Spent:
    """Return what went by."""
    return ended[0] - began[0], ended[1] - began[1]


if __name__ == "__main__":
    main()
