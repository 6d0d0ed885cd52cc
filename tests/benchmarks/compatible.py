"""New queries on an old index: what they find with Compatible around the method, and without.

    python -m tests.benchmarks.compatible --workspace .
    python -m tests.benchmarks.compatible --scale debug --steps 8 --old-steps 8 --seeds 1

For each seed trains three models of the recipe `clip`: an old one of fewer steps, and a new one of other weights twice, on the same
batches, as it stands and held to the old one. Takes recall at 1 from texts to pictures of each pool, for texts of one model and pictures
of another. Needs data/curated/clip and data/evaluation, which `dvc repro curate@clip` makes. Prints one JSON object as its last line.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from components.contracts.method import Method
from components.contracts.progress import silent
from components.data.batches import StepBatches
from components.data.manifest import read_manifest
from components.data.rows.decoded import decode_pairs
from components.data.samplers.distinct import DistinctBatches, fitting
from components.data.selection import Pool, distinct, read_pool
from components.data.tokenizers import Vocabulary
from components.data.transforms.preprocess import Preprocess
from components.data.transforms.views import Views
from components.evaluation.embedding import Embedder
from components.evaluation.ranking import chance_of
from components.evaluation.retrieval import Gallery, ranks
from components.methods.compatible import Compatible
from components.models.dual_encoder import DualEncoder
from components.recipes.recipe import load_recipe, load_scale
from components.recipes.section import build
from components.recipes.yaml_lines import overlay
from components.stages.selected import KEPT, Selected
from components.training.numbers import Scale
from components.training.train import train

POOLS = ("pair", "designer", "concept")  # as data/evaluation has them
PAIRS = {  # what is told -> whose texts ask, whose pictures answer
    "old on old": ("old", "old"),
    "new on old, not held": ("plain", "old"),
    "new on old, held": ("held", "old"),
    "new on new, not held": ("plain", "plain"),
    "new on new, held": ("held", "held"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What all models of a run share."""

    root: Path
    size: str
    scale: Scale
    pool: Pool
    weight: float


def main() -> None:
    """Train, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, default=Path())
    parser.add_argument("--scale", default="laptop")
    parser.add_argument("--steps", type=int, help="of the new models, in place of the scale's")
    parser.add_argument("--old-steps", type=int, help="of the old ones; half as many unless given")
    parser.add_argument("--pixels", type=int, help="in place of the scale's")
    parser.add_argument("--weight", type=float, default=1.0, help="of Compatible")
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    root, scale = asked.workspace, load_scale(asked.workspace, asked.scale)
    scale = replace(scale, steps=asked.steps or scale.steps, pixels=asked.pixels or scale.pixels)
    older = replace(scale, steps=asked.old_steps or scale.steps // 2)
    setting = Setting(
        root=root, size=asked.scale, scale=scale, pool=Selected.read(root, "clip").train, weight=asked.weight
    )
    pools = {
        name: read_pool(read_manifest(root / f"data/evaluation/{name}/manifest.parquet"), root / "data/raw")
        for name in POOLS
    }
    told = []
    for seed in range(asked.seeds):
        models: dict[str, Embedder] = {}
        seconds: dict[str, float] = {}
        models["old"], seconds["old"] = trained(replace(setting, scale=older), 2 * seed)
        models["plain"], seconds["plain"] = trained(setting, 2 * seed + 1)
        models["held"], seconds["held"] = trained(setting, 2 * seed + 1, models["old"].model)
        told.append({"recall_at_1": asked_of(models, pools), "cpu_s": seconds})
        print(seed, json.dumps(told[-1]), file=sys.stderr, flush=True)
    commit = ["git", "rev-parse", "--short", "HEAD"]
    print(
        json.dumps(
            {
                "bench": "compatible", "scale": asked.scale, "steps": scale.steps, "old_steps": older.steps, "pixels": scale.pixels,
                "weight": asked.weight, "chance": {name: chance(pool) for name, pool in pools.items()}, "seeds": told,
                "mean": {
                    what: {name: float(np.mean([one["recall_at_1"][what][name] for one in told])) for name in POOLS} for what in PAIRS
                },
                "machine": f"{os.cpu_count()} cores, {platform.processor() or platform.machine()}", "torch": torch.__version__,
                "commit": subprocess.run(commit, capture_output=True, text=True, check=False).stdout.strip(),
            }
        )
    )  # fmt: skip


def trained(setting: Setting, seed: int, old: DualEncoder | None = None) -> tuple[Embedder, float]:
    """Return the recipe's model and the CPU-seconds it took; the seed draws its weights, and batches are the same for all."""
    recipe = load_recipe(setting.root, "clip", setting.size)
    names = distinct([text for texts in setting.pool.captions for text in texts])
    vocabulary = Vocabulary.train(names, recipe.training.vocabulary, recipe.training.context)
    sized = {"init_args": {"text": {"init_args": {"vocabulary": len(vocabulary), "context": vocabulary.context}}}}
    torch.manual_seed(1000 * seed)
    method = build(overlay(recipe.method, {"init_args": {"model": overlay(recipe.model, sized)}}), Method)
    if old is not None:
        method = Compatible(method, old, setting.weight)
    preprocess = Preprocess(size=setting.scale.pixels, trim=recipe.training.trim)
    views = build({**recipe.training.views, "pixels": preprocess.size}, Views)
    pairs = decode_pairs(setting.pool, replace(preprocess, size=round(preprocess.size * KEPT)), silent)
    order = DistinctBatches(pairs.concepts, fitting(setting.scale.batch, pairs.concepts), 0)
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        train(
            method, StepBatches(pairs, vocabulary, views, order, seed=0), recipe.training.optimisation, setting.scale, seed=0,
            folder=Path(folder), progress=silent, log=lambda step, values: None, watch=lambda model: {},
        )  # fmt: skip
    assert isinstance(method.model, DualEncoder)
    return Embedder(method.model, vocabulary, preprocess), time.process_time() - began


def asked_of(models: dict[str, Embedder], pools: dict[str, Pool]) -> dict[str, dict[str, float]]:
    """Return recall at 1 by what is told and by pool."""
    found: dict[str, dict[str, float]] = {what: {} for what in PAIRS}
    for name, pool in pools.items():
        gallery = Gallery.of(pool.keys, pool.captions, pool.concepts)
        sides: dict[str, Callable[[Embedder], np.ndarray]] = {
            "text": lambda one, gallery=gallery: one.texts(gallery.texts),
            "image": lambda one, pool=pool: one.pictures(pool.pictures),
        }
        rows = {(who, side): make(one) for who, one in models.items() for side, make in sides.items()}
        for what, (texts, pictures) in PAIRS.items():
            scores = rows[texts, "text"] @ rows[pictures, "image"].T
            found[what][name] = float((ranks(scores, gallery.belongs.T) == 1).mean())
    return found


def chance(pool: Pool) -> float:
    """Return recall at 1 of pictures in random order."""
    answers = Gallery.of(pool.keys, pool.captions, pool.concepts).right.turned
    return chance_of(1, answers.counts, answers.gallery)


def page(said: dict[str, Any]) -> str:
    """Return what docs/compatible.md tells of it."""
    chance = " | ".join(f"{100 * said['chance'][name]:.2g}%" for name in POOLS)
    lines = [f"| texts on pictures, R@1 | {' | '.join(f'`{name}`' for name in POOLS)} |", "| --- | --- | --- | --- |"]
    for what in PAIRS:
        told = [[100 * one["recall_at_1"][what][name] for one in said["seeds"]] for name in POOLS]
        lines.append(f"| {what} | {' | '.join(_spread(values) for values in told)} |")
    costs = [one["cpu_s"]["held"] / one["cpu_s"]["plain"] for one in said["seeds"]]
    count = len(said["seeds"])
    return "\n".join([
        f"The recipe `clip` at `{said['scale']}`, pictures of {said['pixels']} pixels: an old model of {said['old_steps']} steps, and a new one of {said['steps']} from other "
        f"weights, held to it and not. Mean of {count} seed{'s' if count > 1 else ''}{', in brackets the least and the most' if count > 1 else ''}. "
        f"Held, a training took {min(costs):.2f} to {max(costs):.2f} times the processor's time, on cores that others used too "
        f"(`python -m tests.benchmarks.compatible --workspace . --steps {said['steps']} --pixels {said['pixels']} --seeds {count}`, [numbers](benchmarks/compatible.json)).",
        "", *lines, f"| chance | {chance} |",
    ])  # fmt: skip


def _spread(values: list[float]) -> str:
    mean = f"{np.mean(values):.1f}%"
    return mean if len(values) == 1 else f"{mean} ({min(values):.1f} to {max(values):.1f})"


if __name__ == "__main__":
    main()
