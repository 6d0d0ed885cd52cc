"""What mining hard negatives does to recall: `python -m tests.benchmarks.hard_negatives --seeds 2`.

The recipe `clip` at `laptop` is trained on scenes of which half have a twin that differs in one thing, and goes on from there three
times on the same batches: as it stands, and within MineHardNegatives with the nearest `--take` of each row, one skipped or none.
The others begin with the optimizer and schedule that any training begins with. Measured is recall at 1, the mean of both
directions, on the held-out split `pair`, where most pictures have their twin beside them. Prints one JSON object as its last line.
"""

import argparse
import copy
import json
import os
import platform
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import torch

from components.contracts.method import Method
from components.contracts.progress import silent
from components.data.batches import StepBatches
from components.data.rows.decoded import decode_pairs
from components.data.samplers.distinct import DistinctBatches
from components.data.selection import Pool, distinct
from components.data.synthetic.scenes import ScenesSource
from components.data.tokenizers import Vocabulary
from components.data.transforms.preprocess import Preprocess
from components.data.transforms.views import Views
from components.evaluation.embedding import Embedder
from components.evaluation.retrieval import Gallery, recall_at_1
from components.methods.clip import Clip
from components.models.dual_encoder import DualEncoder
from components.objectives.mine_hard_negatives import MineHardNegatives
from components.objectives.signals.hard_negatives import HardNegatives
from components.recipes.recipe import load_recipe, load_scale, overlay
from components.recipes.section import build
from components.training.train import train
from tests.benchmarks.loader import commit
from tests.squares import REPOSITORY

VIEWS: dict[str, Any] = {"shift": 0.06, "zoom": (0.9, 1.1)}  # colours and places are spoken of, so they stay


def main() -> None:
    """Train, go on, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--pixels", type=int, default=28)
    parser.add_argument("--steps", type=int, default=120, help="of all, as the recipe stands")
    parser.add_argument("--more", type=int, default=60, help="of each, from there on")
    parser.add_argument("--take", type=int, default=16)
    parser.add_argument("--seeds", type=int, default=2)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    pools = drawn(asked.pictures)
    turns = [turn(pools, asked, seed) for seed in range(asked.seeds)]
    print(json.dumps({
        "bench": "hard_negatives", **vars(asked), "train": len(pools["train"]), "pool": len(pools["pair"]), "turns": turns,
        "mean": {arm: round(mean(one[arm] for one in turns), 4) for arm in turns[0]}, "torch": torch.__version__,
        "machine": f"{os.cpu_count()} cores, {platform.processor() or platform.machine()}", "commit": commit(),
    }))  # fmt: skip


def drawn(pictures: int) -> dict[str, Pool]:
    """Return the splits `train` and `pair` of scenes with twins."""
    source = ScenesSource(pictures=pictures, scene={"things": [1, 2], "size_px": 48}, twins=0.5, regions=False)
    samples = list(source.samples(0, silent))
    pools = {}
    for split in ("train", "pair"):
        rows = [sample for sample in samples if sample.split == split]
        pools[split] = Pool(
            keys=tuple(row.key for row in rows), pictures=tuple(row.media[0].data for row in rows),
            captions=tuple(tuple(text.text for text in row.texts) for row in rows),
            concepts=tuple(row.labels["concept"] for row in rows), sources=tuple(row.source for row in rows),
            groups=tuple({} for _ in rows),
        )  # fmt: skip
    return pools


def turn(pools: Mapping[str, Pool], asked: argparse.Namespace, seed: int) -> dict[str, float]:
    """Return the recall of each arm from one seed."""
    pool, recipe = pools["train"], load_recipe(REPOSITORY, "clip", "laptop")
    names = distinct([text for texts in pool.captions for text in texts])
    vocabulary = Vocabulary.train(names, recipe.training.vocabulary, recipe.training.context)
    sized = {"init_args": {"text": {"init_args": {"vocabulary": len(vocabulary), "context": vocabulary.context}}}}
    torch.manual_seed(seed)
    begun = build(overlay(recipe.method, {"init_args": {"model": overlay(recipe.model, sized)}}), Method)
    assert isinstance(begun, Clip)
    preprocess = Preprocess(size=asked.pixels)
    pairs = decode_pairs(pool, preprocess, silent)
    views = Views(pixels=asked.pixels, **VIEWS)

    def went_on(method: Clip, steps: int, order: int) -> float:
        batches = StepBatches(pairs, vocabulary, views, DistinctBatches(pairs.concepts, asked.batch, order), seed=order)
        scale = replace(
            load_scale(REPOSITORY, "laptop"), batch=asked.batch, steps=steps, pixels=asked.pixels, watch_every=steps, checkpoint_every=steps
        )  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            train(
                method, batches, recipe.training.optimisation, scale, seed=order, folder=Path(folder), progress=silent,
                log=lambda step, values: None, watch=lambda model: {},
            )  # fmt: skip
        assert isinstance(method.model, DualEncoder)
        return recall(Embedder(method.model, vocabulary, preprocess), pools["pair"])

    found = {"at the start": went_on(begun, asked.steps, seed)}
    for arm, negatives in {
        "as it stands": None, "mined": HardNegatives(take=asked.take), "mined, one skipped": HardNegatives(skip=1, take=asked.take),
    }.items():  # fmt: skip
        method = copy.deepcopy(begun)
        if negatives is not None:
            method.objective = MineHardNegatives(method.objective, negatives)
        found[arm] = went_on(method, asked.more, 1000 + seed)
        print(seed, arm, found[arm], file=sys.stderr, flush=True)
    return found


def recall(embedder: Embedder, pool: Pool) -> float:
    """Return recall at 1, the mean of both directions."""
    gallery = Gallery.of(pool.keys, pool.captions, pool.concepts)
    both = recall_at_1(embedder.pictures(pool.pictures) @ embedder.texts(gallery.texts).T, gallery.belongs)
    return round(sum(both.values()) / len(both), 4)


if __name__ == "__main__":
    main()
