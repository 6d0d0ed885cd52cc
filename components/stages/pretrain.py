"""Stage pretrain: the recipe's method on its selection."""

import json
import sys
from collections.abc import Mapping
from dataclasses import replace

import torch

from components.contracts.method import Method
from components.data.loader import StepBatches
from components.data.manifest import read_manifest
from components.data.selection import Pool, decode_pairs, distinct, of_split, read_pool
from components.data.tokenizers import Vocabulary
from components.data.transforms.preprocess import Preprocess
from components.data.transforms.views import Views
from components.evaluation.embedding import Embedder
from components.evaluation.retrieval import Gallery, recall_at_1
from components.models.dual_encoder import DualEncoder
from components.recipes.params import load_params
from components.recipes.recipe import load_recipe, load_scale, overlay
from components.recipes.section import build
from components.recipes.trained import save_trained
from components.registry.live import LiveRun, Status
from components.stages.runtime import run_stage
from components.stages.stage import Stage
from components.training.callbacks import Watch
from components.training.train import train

KEPT = 4 / 3  # pixels of the kept pictures over those a view shows, so that zooming in stays sharp


def body(stage: Stage) -> None:
    """Write runs/<recipe>/pretrain: weights, tokenizer, transform, curves, and the numbers of the training."""
    params = load_params(stage.root)
    recipe, scale = load_recipe(stage.root, stage.the_recipe, params.scale), load_scale(stage.root, params.scale)
    raw, manifest_path = stage.root / "data/raw", stage.root / f"data/curated/{recipe.name}/manifest.parquet"
    numbers = {
        "seed": params.seed,
        "scale": scale,
        "model": recipe.model,
        "method": recipe.method,
        "training": recipe.training,
    }
    manifest = read_manifest(manifest_path)
    pool, val = (read_pool(of_split(manifest, split), raw) for split in ("train", "val"))

    vocabulary = Vocabulary.train(
        distinct([text for texts in pool.captions for text in texts]),
        recipe.training.vocabulary,
        recipe.training.context,
    )
    sized = {"init_args": {"text": {"init_args": {"vocabulary": len(vocabulary), "context": vocabulary.context}}}}
    described = overlay(recipe.model, sized)
    torch.manual_seed(params.seed)
    method = build(overlay(recipe.method, {"init_args": {"model": described}}), Method)
    model = method.model
    assert isinstance(model, DualEncoder)
    preprocess = Preprocess(size=scale.pixels, trim=recipe.training.trim)
    views = build({**recipe.training.views, "pixels": scale.pixels}, Views)
    pairs = decode_pairs(pool, replace(preprocess, size=round(scale.pixels * KEPT)), stage.progress)
    batches = StepBatches(pairs, vocabulary, views, scale.batch, params.seed)

    if batches.order.batch < scale.batch:
        few = f"{batches.order.batch} different captions are trained on, so a step takes {batches.order.batch} pictures"
        print(f"{few}, not the {scale.batch} of the scale {params.scale}", flush=True)

    folder = stage.resume_dir([manifest_path, raw / "train", raw / "val"], numbers)
    live = LiveRun.open(stage.root, recipe.name, folder.name, {"scale": params.scale, "seed": params.seed})
    status: Status = "FAILED"
    try:
        trained = train(
            method, batches, recipe.training.optimisation, scale, seed=params.seed, folder=folder, progress=stage.progress,
            log=live.log, watch=watching(Embedder(model, vocabulary, preprocess), val),
        )  # fmt: skip
        status = "FINISHED"
    finally:
        live.close(status)
    with stage.output(f"runs/{recipe.name}/pretrain") as out:
        save_trained(out, model, described, vocabulary, preprocess)
        (out / "curves.csv").write_text(trained.curves, encoding="utf-8")
        report = {
            "steps": scale.steps, "batch": batches.order.batch, "samples": scale.steps * batches.order.batch, "pictures": len(pool),
            "parameters": sum(p.numel() for p in model.parameters()), "precision": trained.precision,
            "accelerator": trained.accelerator, "train_digest": folder.name,
            "timing": {
                "samples_per_s": trained.samples_per_s, "data_wait": trained.data_wait, "resumed_at": trained.resumed_at
            },
        }  # fmt: skip
        (out / "metrics.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def watching(embedder: Embedder, val: Pool) -> Watch:
    """Return what scores the model on the validation split: recall at 1, both ways."""
    pixels, gallery = embedder.pixels(val.pictures), Gallery.of(val.keys, val.captions, val.concepts)

    def watch(model: torch.nn.Module) -> Mapping[str, float]:
        scores = embedder.pixels_embedded(pixels) @ embedder.texts(gallery.texts).T
        return {f"val.{direction}.recall_at_1": v for direction, v in recall_at_1(scores, gallery.belongs).items()}

    return watch


if __name__ == "__main__":
    sys.exit(run_stage("pretrain", body))
