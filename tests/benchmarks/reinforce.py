"""How many samples a training needs that learns from side shards, to be as good as one that does not.

    python -m tests.benchmarks.reinforce --json docs/benchmarks/reinforce.json

Trains the recipe `clip` on the emoji three ways from each seed: plainly; plainly for a third of the steps; and for a third of the
steps from side shards. The teacher is the same recipe, trained `--teacher-times` as long from another seed. Measured is recall at
1, the mean of both directions, on the split `pair`, which nobody trained on and by which nothing was chosen. Needs what `dvc repro
curate@clip` makes. Prints one JSON object as its last line, and writes it where asked for.
"""

import argparse
import json
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch

from components.contracts.method import Method
from components.contracts.progress import silent
from components.data.batches import StepBatches
from components.data.manifest import read_manifest
from components.data.processes import cores
from components.data.rows.decoded import decode_pairs
from components.data.rows.pairs import Pairs
from components.data.samplers.distinct import DistinctBatches, fitting
from components.data.selection import Pool, distinct, read_pool
from components.data.side.read import Side
from components.data.side.write import Asked, write_side
from components.data.tokenizers import Vocabulary
from components.data.transforms.preprocess import Preprocess
from components.data.transforms.views import Views
from components.evaluation.embedding import Embedder
from components.evaluation.retrieval import Gallery, recall_at_1
from components.models.dual_encoder import DualEncoder
from components.recipes.recipe import Recipe, load_recipe, load_scale
from components.recipes.section import build
from components.recipes.teachers import TrainedTeacher
from components.recipes.yaml_lines import overlay
from components.stages.selected import KEPT, Selected
from components.training.numbers import Scale
from components.training.train import train

PART = 3  # the steps of a reinforced training: one in so many of the plain one's


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What all trainings have in common.

    Args:
        recipe: clip at the scale.
        scale: its numbers, for the plain training.
        pairs: what is trained on.
        vocabulary: its tokens.
        preprocess: the transform.
        pool: what is measured on.
    """

    recipe: Recipe
    scale: Scale
    pairs: Pairs
    vocabulary: Vocabulary
    preprocess: Preprocess
    pool: Pool

    @classmethod
    def read(cls, workspace: Path, scale: Scale, recipe: Recipe, train_on: Pool) -> "Lesson":
        """Decode the pool, and find what is measured on."""
        vocabulary = Vocabulary.train(
            distinct([text for texts in train_on.captions for text in texts]), recipe.training.vocabulary, recipe.training.context
        )  # fmt: skip
        preprocess = Preprocess(size=scale.pixels, trim=recipe.training.trim)
        pairs = decode_pairs(train_on, replace(preprocess, size=round(preprocess.size * KEPT)), silent, None, cores())
        pool = read_pool(read_manifest(workspace / "data/evaluation/pair/manifest.parquet"), workspace / "data/raw")
        return cls(recipe=recipe, scale=scale, pairs=pairs, vocabulary=vocabulary, preprocess=preprocess, pool=pool)

    @property
    def views(self) -> Views:
        """What the recipe shows."""
        return build({**self.recipe.training.views, "pixels": self.scale.pixels}, Views)

    def trained(
        self, seed: int, steps: int, side: Side | None = None, share: float = 1.0
    ) -> tuple[Embedder, dict[str, Any]]:
        """Return the model after so many steps, and what it took: samples and CPU-seconds."""
        sized = {
            "init_args": {
                "text": {"init_args": {"vocabulary": len(self.vocabulary), "context": self.vocabulary.context}}
            }
        }
        model, method = overlay(self.recipe.model, sized), self.recipe.method
        arguments: dict[str, Any] = {"init_args": {"model": model}}
        if side:
            arguments["init_args"] |= {"method": method, "share": share}
            method = {"class_path": "components.methods.reinforce.Reinforce"}
        torch.manual_seed(seed)
        made = build(overlay(method, arguments), Method)
        order = DistinctBatches(self.pairs.concepts, fitting(self.scale.batch, self.pairs.concepts), seed)
        batches = StepBatches(
            self.pairs, self.vocabulary, self.views, order, seed=seed, side=side.rows(self.pairs.keys) if side else None
        )
        began = time.process_time()
        scale = replace(self.scale, steps=steps, watch_every=steps, checkpoint_every=steps)
        with tempfile.TemporaryDirectory() as folder:
            train(
                made, batches, self.recipe.training.optimisation, scale, seed=seed, folder=Path(folder), progress=silent,
                log=lambda step, values: None, watch=lambda model: {},
            )  # fmt: skip
        took = {"samples": steps * order.batch, "cpu_s": round(time.process_time() - began, 1)}
        assert isinstance(made.model, DualEncoder)
        return Embedder(made.model, self.vocabulary, self.preprocess), took

    def recall(self, embedder: Embedder, pool: Pool | None = None) -> float:
        """Return recall at 1 on the split, the mean of both directions."""
        pool = pool or self.pool
        gallery = Gallery.of(pool.keys, pool.captions, pool.concepts)
        scores = embedder.pictures(pool.pictures) @ embedder.texts(gallery.texts).T
        both = recall_at_1(scores, gallery.belongs)
        return round(sum(both.values()) / len(both), 4)


def main() -> None:
    """Train a teacher, have it say what it sees, train all three ways, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, default=Path())
    parser.add_argument("--steps", type=int, default=180)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--pixels", type=int, default=32)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--views", type=int, default=10)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--teacher-times", type=int, default=5)
    parser.add_argument("--val", action="store_true", help="measure on val in place of pair: to choose numbers by")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    selected = Selected.read(asked.workspace, "clip")
    scale = replace(load_scale(asked.workspace, "laptop"), steps=asked.steps, batch=asked.batch, pixels=asked.pixels)
    lesson = Lesson.read(asked.workspace, scale, load_recipe(asked.workspace, "clip", "laptop"), selected.train)
    if asked.val:
        lesson = replace(lesson, pool=selected.val)
    with tempfile.TemporaryDirectory() as folder:
        teacher, side = taught(lesson, selected.train, asked, Path(folder))
        print(json.dumps(teacher), flush=True)
        turns = [turn(lesson, side, seed, asked.steps, asked.share) for seed in range(asked.seeds)]
    said = {
        "bench": "reinforce", "measured_on": "val" if asked.val else "pair", "pictures": len(selected.train), "pool": len(lesson.pool),
        "pixels": asked.pixels, "views": asked.views, "share": asked.share, "teacher": teacher, "turns": turns,
        "median": {way: median(one[way]["recall_at_1"] for one in turns) for way in turns[0]},
        "machine": f"{os.cpu_count()} cores, {platform.processor() or platform.machine()}", "torch": torch.__version__,
        "commit": commit(),
    }  # fmt: skip
    if asked.json:
        asked.json.write_text(json.dumps(said, indent=2) + "\n")
    print(json.dumps(said))


def taught(lesson: Lesson, pool: Pool, asked: argparse.Namespace, folder: Path) -> tuple[dict[str, Any], Side]:
    """Return what the teacher is and took, and the side shards that it wrote."""
    embedder, took = lesson.trained(1000, asked.steps * asked.teacher_times)
    teacher = TrainedTeacher(embedder, "longer", "0" * 64)
    began = time.process_time()
    wanted = Asked(
        pool=pool, shards=["train/000000.tar"] * len(pool), extra={}, views=lesson.views, trim=lesson.preprocess.trim, kept=KEPT,
        count=asked.views, seed=0, teachers=[teacher],
    )  # fmt: skip
    side = Side.open(folder / "side", write_side(folder / "side", wanted, silent, lambda said: None))
    wrote = {
        "wrote_cpu_s": round(time.process_time() - began, 1),
        "wrote_bytes": (folder / "side/train/000000.safetensors").stat().st_size,
    }
    return {"recall_at_1": lesson.recall(embedder), **took, **wrote, "logit_scale": round(teacher.logit_scale, 1)}, side


def turn(lesson: Lesson, side: Side, seed: int, steps: int, share: float) -> Mapping[str, Mapping[str, float]]:
    """Return what each way comes to from one seed, and what it took."""
    ways: dict[str, Any] = {
        "plain": (steps, None), f"plain, 1/{PART}": (steps // PART, None), f"reinforced, 1/{PART}": (steps // PART, side),
    }  # fmt: skip
    found = {}
    for way, (some, beside) in ways.items():
        embedder, took = lesson.trained(seed, some, beside, share)
        found[way] = {"recall_at_1": lesson.recall(embedder), **took}
    print(json.dumps(found), flush=True)
    return found


def commit() -> str:
    """Return the commit that was measured."""
    asked = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    main()
