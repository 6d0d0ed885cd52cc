"""Our side of the time to quality: `python -m tests.benchmarks.our_quality WORKSPACE FOLDER SPLIT SEED SETTINGS`.

Trains the recipe `clip` at `laptop`, from the shards as ingest left them: decoding and trimming are part of what is counted.
SETTINGS is a JSON object: `overrides` as params.yaml has them, `target` and `stop`. Prints one line of JSON, as its peers do.
"""

import contextlib
import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import yaml

from components.contracts.method import Method
from components.contracts.progress import silent
from components.data.batches import StepBatches
from components.data.rows.decoded import as_tensor, decode_pairs
from components.data.samplers.distinct import DistinctBatches, fitting
from components.data.selection import Pool as Selection
from components.data.selection import distinct
from components.data.tokenizers import Vocabulary
from components.data.transforms.preprocess import Preprocess, to_float
from components.data.transforms.views import Views
from components.evaluation.embedding import Embedder
from components.recipes.recipe import Recipe, load_recipe, load_scale
from components.recipes.section import build
from components.recipes.yaml_lines import overlay
from components.stages.selected import KEPT
from components.training.numbers import Scale
from components.training.train import train
from tests.benchmarks.peers.quality import Course, Pool, Reached
from tests.benchmarks.peers.spent import cpu_s
from tests.benchmarks.quality_data import selection


def main() -> None:
    """Train and print."""
    torch.set_num_threads(1)
    workspace, folder, split, seed = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    settings = json.loads(sys.argv[5])
    recipe, scale = with_overrides(workspace, settings["overrides"])
    pool = Pool(folder, f"{split}-{scale.pixels}")
    course = Course(pool.belongs, settings["target"], cpu_s, stop=settings["stop"])
    said = trained(selection(workspace, "train"), recipe, scale, seed, course, pool)
    print(course.told(**said, versions={"torch": version("torch")}))


def with_overrides(workspace: Path, overrides: Mapping[str, Any]) -> tuple[Recipe, Scale]:
    """Return recipe and scale as they are where params.yaml has these `overrides`."""
    with tempfile.TemporaryDirectory() as work:
        root = Path(work)
        (root / "components").symlink_to((workspace / "components").resolve())
        params = yaml.safe_load((workspace / "params.yaml").read_text(encoding="utf-8"))
        (root / "params.yaml").write_text(yaml.safe_dump({**params, "overrides": dict(overrides)}), encoding="utf-8")
        return load_recipe(root, "clip", "laptop"), load_scale(root, "laptop")


def trained(train_on: Selection, recipe: Recipe, scale: Scale, seed: int, course: Course, pool: Pool) -> dict[str, Any]:
    """Train, looking at the pool every `watch_every` steps; return parameters and precision."""
    names = distinct([text for texts in train_on.captions for text in texts])
    vocabulary = Vocabulary.train(names, recipe.training.vocabulary, recipe.training.context)
    sized = {"init_args": {"text": {"init_args": {"vocabulary": len(vocabulary), "context": vocabulary.context}}}}
    torch.manual_seed(seed)
    method = build(overlay(recipe.method, {"init_args": {"model": overlay(recipe.model, sized)}}), Method)
    preprocess = Preprocess(size=scale.pixels, trim=recipe.training.trim)
    views = build({**recipe.training.views, "pixels": preprocess.size}, Views)
    pairs = decode_pairs(train_on, replace(preprocess, size=round(preprocess.size * KEPT)), silent)
    order = DistinctBatches(pairs.concepts, fitting(scale.batch, pairs.concepts), seed)
    embedder, shown = Embedder(method.model, vocabulary, preprocess), as_tensor(to_float(pool.pixels))
    steps = 0

    def watch(model: torch.nn.Module) -> Mapping[str, float]:
        nonlocal steps
        steps = min(steps + scale.watch_every, scale.steps)
        course.look(steps, lambda: (embedder.pixels_embedded(shown), embedder.texts(pool.texts)))
        return {}

    batches = StepBatches(pairs, vocabulary, views, order, seed=seed)
    course.begins()
    with tempfile.TemporaryDirectory() as kept, contextlib.suppress(Reached):
        train(
            method, batches, recipe.training.optimisation, scale, seed=seed, folder=Path(kept), progress=silent,
            log=lambda step, values: None, watch=watch, guards=recipe.training.guards,
        )  # fmt: skip
    return {"parameters": sum(p.numel() for p in method.parameters())}


if __name__ == "__main__":
    main()
