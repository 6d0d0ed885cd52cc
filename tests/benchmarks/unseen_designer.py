"""What helps with pictures by a designer who was never seen, without looking at one who is only tested on.

    python -m tests.benchmarks.unseen_designer --workspace . --sketched 0.15 --outlined 0.35

Leaves one designer out of training at a time, trains the recipe `clip` at `laptop` on another one and asks for the pictures
that were left out: recall at 1, and 9-group zero-shot by the summed softmax at shares of the learned scale. Needs
data/curated/clip, which `dvc repro curate@clip` makes; no test split is read. Prints one JSON object as its last line.
"""

import argparse
import json
import os
import platform
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from components.contracts.method import Method
from components.contracts.progress import silent
from components.data.batches import StepBatches
from components.data.rows.decoded import decode_pairs
from components.data.samplers.distinct import DistinctBatches, fitting
from components.data.selection import Pool, distinct
from components.data.tokenizers import Vocabulary
from components.data.transforms.preprocess import Preprocess
from components.data.transforms.views import Views
from components.evaluation.embedding import Embedder
from components.evaluation.prompts import asked_by
from components.evaluation.retrieval import Gallery, recall_at_1
from components.evaluation.zero_shot import ZeroShot
from components.recipes.recipe import load_recipe, load_scale
from components.recipes.section import build
from components.recipes.yaml_lines import overlay
from components.stages.selected import KEPT, Selected
from components.training.train import train

T = TypeVar("T")
LEFT_OUT = {"noto": "twemoji", "twemoji": "noto"}
SHARPNESS = (1.0, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)


def main() -> None:
    """Train once for each designer, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, default=Path())
    parser.add_argument("--scale", default="laptop")
    parser.add_argument("--sketched", type=float)
    parser.add_argument("--outlined", type=float)
    asked = parser.parse_args()
    lines = {name: getattr(asked, name) for name in ("sketched", "outlined") if getattr(asked, name) is not None}
    selected = Selected.read(asked.workspace, "clip").train
    folds = {}
    for trained_on, left_out in LEFT_OUT.items():
        embedder, known = trained(asked.workspace, asked.scale, of_designer(selected, trained_on), lines)
        folds[f"{trained_on}, asked of {left_out}"] = measured(embedder, known, of_designer(selected, left_out))
    commit = ["git", "rev-parse", "--short", "HEAD"]
    said = {
        "bench": "unseen_designer", "scale": asked.scale, **lines, "folds": folds,
        "machine": f"{os.cpu_count()} cores, {platform.processor() or platform.machine()}", "torch": torch.__version__,
        "commit": subprocess.run(commit, capture_output=True, text=True, check=False).stdout.strip(),
    }  # fmt: skip
    print(json.dumps(said))


def of_designer(pool: Pool, designer: str) -> Pool:
    """Return the samples by one designer."""
    places = [place for place, source in enumerate(pool.sources) if source == designer]

    def some(every: Sequence[T]) -> tuple[T, ...]:
        return tuple(every[place] for place in places)

    return Pool(
        keys=some(pool.keys), pictures=some(pool.pictures), captions=some(pool.captions), concepts=some(pool.concepts),
        sources=some(pool.sources), groups=some(pool.groups),
    )  # fmt: skip


def trained(workspace: Path, scale_name: str, pool: Pool, lines: dict[str, float]) -> tuple[Embedder, Pool]:
    """Return the recipe's model after training on a pool, and the pool."""
    recipe, scale = load_recipe(workspace, "clip", scale_name), load_scale(workspace, scale_name)
    names = distinct([text for texts in pool.captions for text in texts])
    vocabulary = Vocabulary.train(names, recipe.training.vocabulary, recipe.training.context)
    sized = {"init_args": {"text": {"init_args": {"vocabulary": len(vocabulary), "context": vocabulary.context}}}}
    torch.manual_seed(0)
    method = build(overlay(recipe.method, {"init_args": {"model": overlay(recipe.model, sized)}}), Method)
    preprocess = Preprocess(size=scale.pixels, trim=recipe.training.trim)
    views = build({**recipe.training.views, **lines, "pixels": preprocess.size}, Views)
    pairs = decode_pairs(pool, replace(preprocess, size=round(preprocess.size * KEPT)), silent)
    order = DistinctBatches(pairs.concepts, fitting(scale.batch, pairs.concepts), 0)
    with tempfile.TemporaryDirectory() as folder:
        train(
            method, StepBatches(pairs, vocabulary, views, order, seed=0), recipe.training.optimisation, scale, seed=0,
            folder=Path(folder), progress=silent, log=lambda step, values: None, watch=lambda model: {},
        )  # fmt: skip
    return Embedder(method.model, vocabulary, preprocess), pool


def measured(embedder: Embedder, known: Pool, left_out: Pool) -> dict[str, object]:
    """Return recall at 1 both ways, and zero-shot accuracy at each sharpness, as fractions."""
    image = embedder.pictures(left_out.pictures)
    gallery = Gallery.of(left_out.keys, left_out.captions, left_out.concepts)
    recall = recall_at_1(image @ embedder.texts(gallery.texts).T, gallery.belongs)
    owned, groups = known.labelled("category"), left_out.labelled("category")
    labels = sorted({group for group in (*owned, *groups) if group})
    prompts = ZeroShot(prompts="members", join="sum").prompts_of(labels, known.captions, owned)
    vectors = asked_by(prompts, embedder.texts, "sum")
    has = np.array([group is not None for group in groups])
    truth = np.array([labels.index(group) for group in groups if group])
    right = {
        f"{share:g}": float((vectors.shares(image[has], embedder.logit_scale * share).argmax(1) == truth).mean())
        for share in SHARPNESS
    }
    return {"queries": len(left_out), "recall_at_1": recall, "zero_shot_top1_by_sharpness": right}


if __name__ == "__main__":
    main()
