"""Stage finetune: tune the pre-trained model by the recipe's strategy; `finetuning: null` passes it through, byte for byte."""

import json
import shutil
import sys
from typing import Any

from components.contracts.model_files import MODEL, MODEL_FILES, TOKENIZER, TRANSFORMS
from components.recipes.params import load_params
from components.recipes.recipe import load_finetuning, load_recipe, load_scale
from components.recipes.yaml_lines import overlay
from components.stages.runtime import run_stage
from components.stages.stage import Stage


def body(stage: Stage) -> None:
    """Write runs/<recipe>/finetune: the files of a model, and, if it was tuned, its curves and the numbers of the tuning."""
    described = load_finetuning(stage.root, stage.the_recipe)
    if described is None:
        pass_through(stage)
    else:
        tune_model(stage, described)


def pass_through(stage: Stage) -> None:
    """Copy the pre-trained model, and nothing more."""
    pretrained = stage.root / f"runs/{stage.the_recipe}/pretrain"
    with stage.output(f"runs/{stage.the_recipe}/finetune") as out:
        for done, name in enumerate(MODEL_FILES, 1):
            shutil.copyfile(pretrained / name, out / name)
            stage.progress("passing through", done, len(MODEL_FILES))


def tune_model(stage: Stage, described: dict[str, Any]) -> None:
    """Tune on the recipe's selection by its method; tokenizer and transform stay those of the pre-trained model."""
    import torch  # passing through does without: it is a second, not ten

    from components.contracts.method import Method
    from components.finetuning.strategy import Strategy
    from components.finetuning.tune import tune
    from components.models.dual_encoder import DualEncoder
    from components.recipes.section import build
    from components.recipes.trained import load_trained, save_weights
    from components.stages.selected import Selected, live, row_cache, step_batches, watching
    from components.training.device import check_chip
    from components.training.picture import picture

    params = load_params(stage.root)
    recipe, scale = load_recipe(stage.root, stage.the_recipe, params.scale), load_scale(stage.root, params.scale)
    check_chip(scale)
    strategy, selected = build(described, Strategy), Selected.read(stage.root, recipe.name, recipe.training)
    pretrained = stage.root / f"runs/{recipe.name}/pretrain"
    embedder, model = load_trained(pretrained), json.loads((pretrained / MODEL).read_text(encoding="utf-8"))

    torch.manual_seed(params.seed)
    method = build(overlay(recipe.method, {"init_args": {"model": model}}), Method)
    assert isinstance(method.model, DualEncoder)
    method.model.load_state_dict(embedder.model.state_dict())
    method.begin()  # before the strategy prepares the model: a teacher takes the weights as they were pre-trained
    embedder.model = method.model
    batches = step_batches(
        stage, selected.train, embedder.vocabulary, embedder.preprocess, recipe.training, batch=scale.batch,
        seed=params.seed, side=selected.side,
    )  # fmt: skip

    numbers = {
        "seed": params.seed, "scale": scale.deciding(), "method": recipe.method, "views": recipe.training.views,
        "order": recipe.training.order, "guards": recipe.training.guards, "finetuning": described,
    }  # fmt: skip
    folder = stage.resume_dir([*selected.files, *(pretrained / name for name in MODEL_FILES)], numbers)
    shown = {"stage": "finetune", "scale": params.scale, "seed": params.seed, "finetuning": described}
    with live(stage.root, recipe.name, folder.name, shown) as log, stage.signals.between_pieces():
        tuned = tune(
            method, strategy, batches, scale, seed=params.seed, folder=folder, progress=stage.progress,
            log=lambda step, values: log(step, {f"finetuning.{name}": value for name, value in values.items()}),
            watch=watching(embedder, selected.val, stage.progress, row_cache(stage.root)), guards=recipe.training.guards,
        )  # fmt: skip
    with stage.output(f"runs/{recipe.name}/finetune") as out:
        save_weights(out, method.model)
        for name in (MODEL, TOKENIZER, TRANSFORMS):
            shutil.copyfile(pretrained / name, out / name)
        (out / "curves.csv").write_text(tuned.trained.curves, encoding="utf-8")
        (out / "curves.svg").write_text(picture(tuned.trained.curves), encoding="utf-8")
        report = {
            "strategy": type(strategy).__name__, "batch": batches.order.batch, "samples": tuned.steps * batches.order.batch,
            "pictures": len(selected.train), **tuned.as_json(), "train_digest": folder.name,
        }  # fmt: skip
        (out / "metrics.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(run_stage("finetune", body))
