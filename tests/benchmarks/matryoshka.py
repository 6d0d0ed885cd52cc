"""What is left of retrieval when embeddings are cut to their first dimensions, trained for it and not.

    python -m tests.benchmarks.matryoshka --workspace .
    python -m tests.benchmarks.matryoshka --steps 100 --pixels 28 --widths 0.5 --weights 0.3 --seeds 2

Trains the recipe `clip` twice from the same weights on the same batches, as it stands and within Matryoshka, and takes recall
at 10 at each width, of unit length anew. Needs data/curated/clip, which `dvc repro curate@clip` makes. What is kept is the
mean of both directions and all pools, over the same at the whole width. Prints one JSON object as its last line.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import replace
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
from components.evaluation.retrieval import Gallery, ranks
from components.evaluation.shortened import first
from components.models.dual_encoder import DualEncoder
from components.recipes.recipe import load_recipe, load_scale
from components.recipes.section import build
from components.recipes.yaml_lines import overlay
from components.stages.selected import KEPT, Selected
from components.training.numbers import Scale
from components.training.train import train

SHARES = (1.0, 0.5, 0.25, 0.125)
POOLS = ("pair", "designer", "concept")  # as data/evaluation has them
K = 10


def main() -> None:
    """Train both, cut, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, default=Path())
    parser.add_argument("--scale", default="laptop")
    parser.add_argument("--steps", type=int, help="in place of the scale's")
    parser.add_argument("--pixels", type=int, help="in place of the scale's")
    parser.add_argument("--widths", type=float, nargs="+", default=SHARES[1:])
    parser.add_argument("--weights", type=float, nargs="+", help="of the widths; 1 each unless given")
    parser.add_argument("--seeds", type=int, default=1)
    asked = parser.parse_args()
    root = asked.workspace
    selected = Selected.read(root, "clip")
    pools = {
        name: read_pool(read_manifest(root / f"data/evaluation/{name}/manifest.parquet"), root / "data/raw")
        for name in POOLS
    }
    plain = load_recipe(root, "clip", asked.scale).method
    inner = plain["init_args"]["objective"]
    around = {
        "class_path": "components.objectives.matryoshka.Matryoshka",
        "init_args": {"objective": inner, "widths": list(asked.widths), "weights": asked.weights},
    }
    nested = {**plain, "init_args": {**plain["init_args"], "objective": around}}
    scale = load_scale(root, asked.scale)
    scale = replace(scale, steps=asked.steps or scale.steps, pixels=asked.pixels or scale.pixels)
    told: dict[str, Any] = {"plain": [], "matryoshka": []}
    for seed in range(asked.seeds):
        for name, method in {"plain": plain, "matryoshka": nested}.items():
            embedder = trained(root, asked.scale, scale, method, selected.train, seed)
            told[name].append(measured(embedder, pools))
            print(seed, name, json.dumps(told[name][-1]), file=sys.stderr, flush=True)
    commit = ["git", "rev-parse", "--short", "HEAD"]
    said = {
        "bench": "matryoshka", "scale": asked.scale, "steps": scale.steps, "pixels": scale.pixels, "widths": asked.widths,
        "weights": asked.weights, **told,
        "machine": f"{os.cpu_count()} cores, {platform.processor() or platform.machine()}", "torch": torch.__version__,
        "commit": subprocess.run(commit, capture_output=True, text=True, check=False).stdout.strip(),
    }  # fmt: skip
    print(json.dumps(said))


def trained(root: Path, size: str, scale: Scale, described: dict[str, Any], pool: Pool, seed: int) -> Embedder:
    """Return the recipe's model after training by a method; the seed draws its weights, and batches are the same for all."""
    recipe = load_recipe(root, "clip", size)
    names = distinct([text for texts in pool.captions for text in texts])
    vocabulary = Vocabulary.train(names, recipe.training.vocabulary, recipe.training.context)
    sized = {"init_args": {"text": {"init_args": {"vocabulary": len(vocabulary), "context": vocabulary.context}}}}
    torch.manual_seed(1000 * seed)
    method = build(overlay(described, {"init_args": {"model": overlay(recipe.model, sized)}}), Method)
    preprocess = Preprocess(size=scale.pixels, trim=recipe.training.trim)
    views = build({**recipe.training.views, "pixels": preprocess.size}, Views)
    pairs = decode_pairs(pool, replace(preprocess, size=round(preprocess.size * KEPT)), silent)
    order = DistinctBatches(pairs.concepts, fitting(scale.batch, pairs.concepts), 0)
    with tempfile.TemporaryDirectory() as folder:
        train(
            method, StepBatches(pairs, vocabulary, views, order, seed=0), recipe.training.optimisation, scale, seed=0,
            folder=Path(folder), progress=silent, log=lambda step, values: None, watch=lambda model: {},
        )  # fmt: skip
    assert isinstance(method.model, DualEncoder)
    return Embedder(method.model, vocabulary, preprocess)


def measured(embedder: Embedder, pools: dict[str, Pool]) -> dict[str, Any]:
    """Return recall at 10 of each width, by pool and direction, and what is kept of the whole width's mean."""
    recalls: dict[int, dict[str, float]] = {}
    for name, pool in pools.items():
        gallery = Gallery.of(pool.keys, pool.captions, pool.concepts)
        image, text = embedder.pictures(pool.pictures), embedder.texts(gallery.texts)
        for width in (round(share * image.shape[1]) for share in SHARES):
            scores = first(image, width) @ first(text, width).T
            recalls.setdefault(width, {})[f"{name}.image_to_text"] = recall(scores, gallery.belongs)
            recalls[width][f"{name}.text_to_image"] = recall(scores.T, gallery.belongs.T)
    means = {width: float(np.mean(list(each.values()))) for width, each in recalls.items()}
    whole = means[max(means)]
    return {
        "recall_at_10": {str(width): each for width, each in recalls.items()},
        "mean": {str(width): mean for width, mean in means.items()},
        "kept": {str(width): mean / whole for width, mean in means.items()},
    }


def recall(scores: np.ndarray, belongs: np.ndarray) -> float:
    """Return recall at 10."""
    return float((ranks(scores, belongs) <= K).mean())


if __name__ == "__main__":
    main()
