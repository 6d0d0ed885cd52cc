"""Stage pretrain: the recipe's method on its selection, from weights that are drawn or those of a start."""

import json
import shutil
import sys
from dataclasses import asdict

import torch

from components.contracts.errors import ConfigError
from components.contracts.inherit import Inherit
from components.contracts.method import Method
from components.contracts.model_files import MODEL_FILES
from components.data.beyond import Beyond, beyond
from components.data.unread import check_read
from components.evaluation.embedding import Embedder
from components.methods.compatible import Compatible
from components.models.dual_encoder import DualEncoder
from components.recipes.params import UNTRAINED, Begin, load_params
from components.recipes.recipe import load_recipe, load_scale, overlay
from components.recipes.section import build
from components.recipes.started import Beginning, Start, beginning
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
    begun = beginning(stage.root, params.recipes.get(recipe.name, Begin()), recipe, scale.pixels, captions)
    vocabulary, preprocess, start = begun.vocabulary, begun.preprocess, begun.start
    if (cut := beyond(vocabulary, captions, recipe.training.long_captions)).cut:
        print(f"{cut}; training.context and training.long_captions in the recipe decide that", flush=True)
    if recipe.training.as_begun:
        pass_through(stage, begun, selected, cut)
        return
    check_read(vocabulary, captions)
    seed = recipe.training.seed(params.seed)
    torch.manual_seed(seed)
    method = build(overlay(recipe.method, {"init_args": {"model": begun.described}}), Method)
    model = method.model
    assert isinstance(model, DualEncoder)
    if recipe.training.negatives.path:
        method.check_negatives()
    give(start, method, model, recipe.name, recipe.training.inherit, own_words=recipe.training.own_words)
    if begun.old:
        method = Compatible(method, begun.old.embedder.model)
        print(
            f"held to {begun.old.label}, whose index it shall search, with its tokenizer and its transform", flush=True
        )
    batches = step_batches(
        stage, pool, vocabulary, preprocess, recipe.training, batch=scale.batch, seed=seed, side=selected.side,
        negatives=selected.negatives,
    )  # fmt: skip

    if start:
        numbers |= {"start": start.as_json(), "model": begun.described}
    if begun.old:
        numbers |= {"compatible_with": begun.old.as_json()}
    folder = stage.resume_dir([*selected.files, *begun.files], numbers)
    shown = {"scale": params.scale, "seed": params.seed, "start": begun.as_json()}
    with live(stage.root, recipe.name, folder.name, shown) as log, stage.signals.between_pieces():
        trained = train(
            method, batches, recipe.training.optimisation, scale, seed=seed, folder=folder, progress=stage.progress,
            log=log, guards=recipe.training.guards,
            watch=watching(
                Embedder(model, vocabulary, preprocess), selected.val, stage.progress, row_cache(stage.root)
            ),
        )  # fmt: skip
    with stage.output(f"runs/{recipe.name}/pretrain") as out:
        save_trained(out, model, begun.described, vocabulary, preprocess)
        (out / "curves.csv").write_text(trained.curves, encoding="utf-8")
        (out / "curves.svg").write_text(picture(trained.curves), encoding="utf-8")
        report = {
            "steps": scale.steps, "batch": batches.order.batch, "samples": scale.steps * batches.order.batch, "pictures": len(pool),
            "parameters": sum(p.numel() for p in model.parameters()), "precision": trained.precision,
            "accelerator": trained.accelerator, "train_digest": folder.name,
            "start": begun.as_json(), "compatible_with": begun.old and begun.old.as_json(), "captions": asdict(cut), "guards": trained.guards,
            "timing": trained.timing(),
        }  # fmt: skip
        (out / "metrics.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def pass_through(stage: Stage, begun: Beginning, selected: Selected, cut: Beyond) -> None:
    """Copy the start, and say that nothing was learnt yet; ConfigError where there is none."""
    if begun.old is not None:
        raise ConfigError(
            f"{stage.the_recipe} tunes by a race of ways that no old model holds to its space. Take recipes.{stage.the_recipe}.compatible_with out of "
            "params.yaml, or train a recipe with a method."
        )
    if begun.start is None:
        raise ConfigError(
            f"{stage.the_recipe} tunes a model that was trained, and begins from none. Name one in params.yaml, such as recipes: "
            f"{{{stage.the_recipe}: {{start: models/theirs}}}}, or run: diptych adapt PICTURES --from MODEL"
        )
    digest = stage.resume_dir([*selected.files, *begun.files], {"start": begun.start.as_json()}).name
    with stage.output(f"runs/{stage.the_recipe}/pretrain") as out:
        for done, name in enumerate(MODEL_FILES, 1):
            shutil.copyfile(stage.root / begun.start.path / name, out / name)
            stage.progress("passing through", done, len(MODEL_FILES))
        (out / "curves.csv").write_text("step\n", encoding="utf-8")
        report = {
            "steps": 0, "batch": 0, "samples": 0, "pictures": len(selected.train),
            "parameters": sum(p.numel() for p in begun.start.embedder.model.parameters()), "precision": "as they were",
            "accelerator": None, "train_digest": digest, "start": begun.as_json(), "captions": asdict(cut), "guards": {},
        }  # fmt: skip
        (out / "metrics.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def give(
    start: Start | None, method: Method, model: DualEncoder, recipe: str, how: Inherit | None = None, own_words: bool = False
) -> None:  # fmt: skip
    """Let a method begin, with the weights of a start where there is one.

    Raises ConfigError for a method that needs one and has none, and for one that takes the start's words where others are read.
    """
    if start:
        part, of = method.begins_from()
        if own_words and not of.startswith("image."):
            raise ConfigError(
                f"{recipe} would read words of its own (training.own_words), but takes the start's text tower, whose weights mean the start's words. "
                "Set own_words to false, or train a method that begins with the image tower alone, such as components.methods.wukong.Wukong."
            )
        inherited = start.give(part, recipe, how, of)
        words = "words of its own" if own_words else "its tokenizer"
        print(f"begins from {start.path}, {start.digest[:12]}, with {words} and its transform", flush=True)
        if inherited:
            print(f"inherits {inherited}", flush=True)
    elif method.wants_start:
        raise ConfigError(
            f"{recipe} goes on from a model that was trained, and begins from none. Name one in params.yaml, such as "
            f"recipes: {{clip: {{start: {UNTRAINED}}}, {recipe}: {{start: runs/clip/pretrain}}}}."
        )
    method.begin()


if __name__ == "__main__":
    sys.exit(run_stage("pretrain", body))
