"""How many samples a training needs that learns from side shards, to be as good as one that does not.

    python -m tests.benchmarks.reinforce --keep

Draws scenes, three captions in ten of which belong to another picture, and trains the recipe `clip` on the first `--pictures` of them
from each seed: plainly, in the batch that is best for it and in the one that is best for a reinforced training; and for a third of these
samples, plainly and from side shards. The teacher is the same recipe, trained on the first `--teacher-pictures` of the same scenes,
captions as wrong, from another seed; it never sees what is measured on. Measured is recall at 1, the mean of both directions, on the split `pair`, which nobody trained on and by which nothing
was chosen; `--val` measures on the split that the numbers here were chosen by. Prints one JSON object as its last line; --keep writes it
to docs/benchmarks/reinforce.json.
"""

import argparse
import json
import os
import platform
import sys
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
from components.data.rows.decoded import decode_pairs
from components.data.rows.pairs import Pairs
from components.data.samplers.distinct import DistinctBatches, fitting
from components.data.selection import Pool, distinct
from components.data.side.read import Side
from components.data.side.write import Asked, write_side
from components.data.synthetic.scenes import ScenesSource
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
from components.stages.selected import KEPT
from components.training.numbers import Scale
from components.training.train import train
from tests.benchmarks.loader import commit
from tests.squares import REPOSITORY

KEPT_AT = REPOSITORY / "docs/benchmarks/reinforce.json"
PART = 3  # the samples of a reinforced training: one in so many of the plain one's
SCENES: dict[str, Any] = {
    "scene": {"size_px": 40, "grid": 2, "things": [1, 2]}, "captions": {"short": {"drop": 0.3, "swapped": 0.3}},
}  # fmt: skip
DRAWN = 30_000  # pictures of all splits, of which 18,503 are trained on
MOST = 1000  # pictures that are measured on
# Colour, size and place are what captions of scenes speak of, so views leave them: the recipe's are for emoji.
VIEWS = {
    "degrees": 5, "shift": 0.05, "zoom": [0.9, 1.1], "colour": 0.1, "grey": 0.0, "background": 0.0, "sketched": 0.0, "outlined": 0.0,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What trainings on the same pictures have in common.

    Args:
        recipe: clip at the scale.
        scale: its numbers.
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
    def of(cls, train_on: Pool, pool: Pool, pixels: int) -> "Lesson":
        """Learn the words of what is trained on, and decode its pictures."""
        recipe = load_recipe(REPOSITORY, "clip", "laptop")
        vocabulary = Vocabulary.train(
            distinct([text for texts in train_on.captions for text in texts]), recipe.training.vocabulary, recipe.training.context
        )  # fmt: skip
        preprocess = Preprocess(size=pixels)
        pairs = decode_pairs(train_on, replace(preprocess, size=round(preprocess.size * KEPT)), silent)
        scale = replace(load_scale(REPOSITORY, "laptop"), pixels=pixels)
        return cls(recipe=recipe, scale=scale, pairs=pairs, vocabulary=vocabulary, preprocess=preprocess, pool=pool)

    @property
    def views(self) -> Views:
        """What is shown of a picture."""
        return build({**VIEWS, "pixels": self.scale.pixels}, Views)

    def trained(
        self, seed: int, samples: int, batch: int, side: Side | None = None, share: float = 1.0
    ) -> tuple[Embedder, dict[str, Any]]:
        """Return the model that has seen so many samples, and what it took: batch, samples and CPU-seconds."""
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
        order = DistinctBatches(self.pairs.concepts, fitting(batch, self.pairs.concepts), seed)
        steps = samples // order.batch
        batches = StepBatches(
            self.pairs, self.vocabulary, self.views, order, seed=seed, side=side.rows(self.pairs.keys) if side else None
        )
        began = time.process_time()
        scale = replace(self.scale, batch=order.batch, steps=steps, watch_every=steps, checkpoint_every=steps)
        with tempfile.TemporaryDirectory() as folder:
            train(
                made, batches, self.recipe.training.optimisation, scale, seed=seed, folder=Path(folder), progress=silent,
                log=lambda step, values: None, watch=lambda model: {},
            )  # fmt: skip
        took = {"batch": order.batch, "samples": steps * order.batch, "cpu_s": round(time.process_time() - began, 1)}
        assert isinstance(made.model, DualEncoder)
        return Embedder(made.model, self.vocabulary, self.preprocess), took

    def recall(self, embedder: Embedder) -> float:
        """Return recall at 1 on the split, the mean of both directions."""
        gallery = Gallery.of(self.pool.keys, self.pool.captions, self.pool.concepts)
        scores = embedder.pictures(self.pool.pictures) @ embedder.texts(gallery.texts).T
        both = recall_at_1(scores, gallery.belongs)
        return round(sum(both.values()) / len(both), 4)


def main() -> None:
    """Train a teacher, have it say what it sees, train all ways, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=6000, help="that students are trained on")
    parser.add_argument(
        "--teacher-pictures", type=int, default=DRAWN, help="that the teacher is; all there are unless told otherwise"
    )
    parser.add_argument(
        "--teacher-samples", type=int, default=92_160, help="that it sees, in the plain training's batch"
    )
    parser.add_argument("--samples", type=int, default=46_080, help="that a plain training sees")
    parser.add_argument("--plain-batch", type=int, default=256)
    parser.add_argument("--batch", type=int, default=64, help="of reinforced training, and of plain training beside it")
    parser.add_argument("--pixels", type=int, default=32)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--views", type=int, default=8)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument(
        "--only-reinforced", action="store_true", help="leave the plain trainings out, such as for another teacher"
    )
    parser.add_argument("--val", action="store_true", help="measure on val in place of pair: to choose numbers by")
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT_AT.relative_to(REPOSITORY)}")
    asked = parser.parse_args()
    if asked.keep and asked.only_reinforced:
        parser.error("--keep is for all ways, and --only-reinforced leaves some out.")
    torch.set_num_threads(1)
    pools = drawn()
    measured_on = first(pools["val" if asked.val else "pair"], MOST)
    train_on, shown = first(pools["train"], asked.pictures), first(pools["train"], asked.teacher_pictures)
    lesson = Lesson.of(train_on, measured_on, asked.pixels)
    with tempfile.TemporaryDirectory() as folder:
        its_own = Lesson.of(shown, measured_on, asked.pixels)
        teacher, side = taught(lesson, train_on, its_own, asked, Path(folder))
        print(json.dumps(teacher), file=sys.stderr, flush=True)
        turns = [turn(lesson, side, seed, asked) for seed in range(asked.seeds)]
    said = {
        "bench": "reinforce", "command": f"python -m tests.benchmarks.reinforce {' '.join(sys.argv[1:])}".strip(),
        "measured_on": "val" if asked.val else "pair", "pool": len(measured_on), "pictures": len(train_on), "pixels": asked.pixels,
        "views": asked.views, "share": asked.share, "teacher": teacher, "turns": turns,
        "median": {way: median(one[way]["recall_at_1"] for one in turns) for way in turns[0]},
        "machine": f"{os.cpu_count()} cores, {platform.processor() or platform.machine()}", "torch": torch.__version__,
        "commit": commit(),
    }  # fmt: skip
    if asked.keep:
        KEPT_AT.write_text(json.dumps(said, indent=2) + "\n")
    print(json.dumps(said))


def drawn() -> dict[str, Pool]:
    """Return the scenes, by split."""
    samples = list(ScenesSource(pictures=DRAWN, regions=False, **SCENES).samples(0, silent))
    rows = {split: [sample for sample in samples if sample.split == split] for split in ("train", "val", "pair")}
    return {
        split: Pool(
            keys=tuple(row.key for row in some), pictures=tuple(row.media[0].data for row in some),
            captions=tuple(tuple(text.text for text in row.texts) for row in some),
            concepts=tuple(row.labels["concept"] for row in some), sources=tuple(row.source for row in some),
        )
        for split, some in rows.items()
    }  # fmt: skip


def first(pool: Pool, count: int) -> Pool:
    """Return the first samples of a pool, or all where there are fewer."""
    return replace(
        pool, keys=pool.keys[:count], pictures=pool.pictures[:count], captions=pool.captions[:count], concepts=pool.concepts[:count],
        sources=pool.sources[:count],
    )  # fmt: skip


def taught(
    lesson: Lesson, pool: Pool, its_own: Lesson, asked: argparse.Namespace, folder: Path
) -> tuple[dict[str, Any], Side]:
    """Return what the teacher of its own lesson is and took, and the side shards that it wrote of the students' pool."""
    embedder, took = its_own.trained(1000, asked.teacher_samples, asked.plain_batch)
    teacher = TrainedTeacher(embedder, "more pictures", "0" * 64)
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
    its = {"pictures": len(its_own.pairs.keys), "recall_at_1": its_own.recall(embedder), **took, **wrote}
    return {**its, "logit_scale": round(teacher.logit_scale, 1)}, side


def turn(lesson: Lesson, side: Side, seed: int, asked: argparse.Namespace) -> Mapping[str, Mapping[str, float]]:
    """Return what each way comes to from one seed, and what it took."""
    part = asked.samples // PART
    ways: dict[str, Any] = {
        "plain": (asked.samples, asked.plain_batch, None), "plain, smaller batch": (asked.samples, asked.batch, None),
        f"plain, 1/{PART}": (part, asked.batch, None), f"reinforced, 1/{PART}": (part, asked.batch, side),
    }  # fmt: skip
    found = {}
    for way, (samples, batch, beside) in ways.items():
        if asked.only_reinforced and beside is None:
            continue
        embedder, took = lesson.trained(seed, samples, batch, beside, asked.share)
        found[way] = {"recall_at_1": lesson.recall(embedder), **took}
    print(json.dumps(found), file=sys.stderr, flush=True)
    return found


if __name__ == "__main__":
    main()
