"""Stage pretrain: the recipe's method on its selection."""

import json
import sys
from dataclasses import asdict

import torch

from components.contracts.method import Method
from components.data.beyond import beyond
from components.data.selection import distinct
from components.data.tokenizers import Vocabulary
from components.data.transforms.preprocess import Preprocess
from components.evaluation.embedding import Embedder
from components.models.dual_encoder import DualEncoder
from components.recipes.params import load_params
from components.recipes.recipe import load_recipe, load_scale, overlay
from components.recipes.section import build
from components.recipes.trained import save_trained
from components.stages.runtime import run_stage
from components.stages.selected import Selected, live, row_cache, step_batches, watching
from components.stages.stage import Stage
from components.training.device import check_chip
from components.training.picture import picture
from components.training.train import train


def body(stage: Stage) -> None:
    """Write runs/<recipe>/pretrain: weights, tokenizer, transform, curves, and the numbers of the training."""
    params = load_params(stage.root)
    recipe, scale = load_recipe(stage.root, stage.the_recipe, params.scale), load_scale(stage.root, params.scale)
    check_chip(scale)
    numbers = {
        "seed": params.seed,
        "scale": scale.deciding(),
        "model": recipe.model,
        "method": recipe.method,
        "training": recipe.training,
    }
    selected = Selected.read(stage.root, recipe.name, recipe.training)
    pool = selected.train

    captions = [text for texts in pool.captions for text in texts]
    vocabulary = Vocabulary.train(distinct(captions), recipe.training.vocabulary, recipe.training.context)
    if (cut := beyond(vocabulary, captions, recipe.training.long_captions)).cut:
        print(f"{cut}; training.context and training.long_captions in the recipe decide that", flush=True)
    sized = {"init_args": {"text": {"init_args": {"vocabulary": len(vocabulary), "context": vocabulary.context}}}}
    described = overlay(recipe.model, sized)
    torch.manual_seed(params.seed)
    method = build(overlay(recipe.method, {"init_args": {"model": described}}), Method)
    model = method.model
    assert isinstance(model, DualEncoder)
    preprocess = Preprocess(size=scale.pixels, trim=recipe.training.trim)
    batches = step_batches(
        stage, pool, vocabulary, preprocess, recipe.training, batch=scale.batch, seed=params.seed, side=selected.side
    )

    folder = stage.resume_dir(selected.files, numbers)
    shown = {"scale": params.scale, "seed": params.seed}
    with live(stage.root, recipe.name, folder.name, shown) as log, stage.signals.between_pieces():
        trained = train(
            method, batches, recipe.training.optimisation, scale, seed=params.seed, folder=folder, progress=stage.progress,
            log=log, guards=recipe.training.guards,
            watch=watching(
                Embedder(model, vocabulary, preprocess), selected.val, stage.progress, row_cache(stage.root)
            ),
        )  # fmt: skip
    with stage.output(f"runs/{recipe.name}/pretrain") as out:
        save_trained(out, model, described, vocabulary, preprocess)
        (out / "curves.csv").write_text(trained.curves, encoding="utf-8")
        (out / "curves.svg").write_text(picture(trained.curves), encoding="utf-8")
        report = {
            "steps": scale.steps, "batch": batches.order.batch, "samples": scale.steps * batches.order.batch, "pictures": len(pool),
            "parameters": sum(p.numel() for p in model.parameters()), "precision": trained.precision,
            "accelerator": trained.accelerator, "train_digest": folder.name,
            "captions": asdict(cut), "guards": trained.guards,
            "timing": trained.timing(),
        }  # fmt: skip
        (out / "metrics.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(run_stage("pretrain", body))
