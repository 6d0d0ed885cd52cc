"""Stage finetune: tune the pre-trained model by the recipe's strategy, or by the best of several that race; `finetuning: null` passes it through, byte for byte."""

import copy
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.contracts.asked_set import AskedSet
from components.contracts.errors import ConfigError
from components.contracts.model_files import ADAPTED, MODEL, MODEL_FILES, REPLAYED, WEIGHTS
from components.contracts.sealed import sha256_of
from components.recipes.params import Begin, load_params
from components.recipes.recipe import RACE, load_finetuning, load_recipe, load_scale
from components.recipes.yaml_lines import overlay
from components.stages.place import private
from components.stages.runtime import run_stage
from components.stages.stage import Stage

if TYPE_CHECKING:
    from components.finetuning.raced import Race

ENCODED = 64  # pictures or texts at once, where a race is scored


def body(stage: Stage) -> None:
    """Write runs/<recipe>/finetune: the files of a model, and, if it was tuned, its curves and the numbers of the tuning."""
    described = load_finetuning(stage.root, stage.the_recipe)
    if described is None:
        pass_through(stage)
    elif described["class_path"] == RACE:
        race_ways(stage, described)
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
    from components.methods.compatible import Compatible
    from components.models.dual_encoder import DualEncoder
    from components.recipes.old_model import OldModel
    from components.recipes.section import build
    from components.recipes.trained import load_trained, save_tuned
    from components.stages.selected import Selected, live, row_cache, step_batches, watching
    from components.training.device import check_chip
    from components.training.picture import picture

    params = load_params(stage.root)
    recipe, scale = load_recipe(stage.root, stage.the_recipe, params.scale), load_scale(stage.root, params.scale)
    check_chip(scale)
    strategy, selected = build(described, Strategy), Selected.read(stage.root, recipe.name, recipe.training)
    pretrained = stage.root / f"runs/{recipe.name}/pretrain"
    embedder, model = load_trained(pretrained), json.loads((pretrained / MODEL).read_text(encoding="utf-8"))

    seed = recipe.training.seed(params.seed)
    torch.manual_seed(seed)
    method = build(overlay(recipe.method, {"init_args": {"model": model}}), Method)
    assert isinstance(method.model, DualEncoder)
    method.model.load_state_dict(embedder.model.state_dict())
    method.begin()  # before the strategy prepares the model: a teacher takes the weights as they were pre-trained
    embedder.model = method.model
    if recipe.training.negatives.path:
        method.check_negatives()
    held = params.recipes.get(recipe.name, Begin()).compatible_with
    if held:
        method = Compatible(method, OldModel.read(stage.root / held).embedder.model)
    batches = step_batches(
        stage, selected.train, embedder.vocabulary, embedder.preprocess, recipe.training, batch=scale.batch,
        seed=seed, side=selected.side, negatives=selected.negatives,
    )  # fmt: skip

    numbers = {
        "seed": seed, "scale": scale.deciding(), "method": recipe.method, "views": recipe.training.views,
        "order": recipe.training.order, "guards": recipe.training.guards, "finetuning": described,
        **({"compatible_with": held} if held else {}),
    }  # fmt: skip
    folder = stage.resume_dir([*selected.files, *(pretrained / name for name in MODEL_FILES)], numbers)
    shown = {"stage": "finetune", "scale": params.scale, "seed": params.seed, "finetuning": described}
    with live(stage.root, recipe.name, folder.name, shown) as log, stage.signals.between_pieces():
        tuned = tune(
            method, strategy, batches, scale, seed=seed, folder=folder, progress=stage.progress,
            log=lambda step, values: log(step, {f"finetuning.{name}": value for name, value in values.items()}),
            watch=watching(embedder, selected.val, stage.progress, row_cache(stage.root)), guards=recipe.training.guards,
        )  # fmt: skip
    with stage.output(f"runs/{recipe.name}/finetune") as out:
        save_tuned(out, method.model, pretrained)
        (out / "curves.csv").write_text(tuned.trained.curves, encoding="utf-8")
        (out / "curves.svg").write_text(picture(tuned.trained.curves), encoding="utf-8")
        report = {
            "strategy": type(strategy).__name__, "batch": batches.order.batch, "samples": tuned.steps * batches.order.batch,
            "pictures": len(selected.train), **tuned.as_json(), "train_digest": folder.name,
        }  # fmt: skip
        (out / "metrics.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def race_ways(stage: Stage, described: dict[str, Any]) -> None:
    """Let ways to tune race, and keep of the best what loses little on the race's sets; heats that were done are gone on with."""
    from components.data.manifest import write_manifest
    from components.finetuning.labels.choice import choice_of
    from components.finetuning.strategy import ALPHAS
    from components.recipes.trained import load_trained, save_tuned
    from components.stages.asked_sets import read_sets
    from components.stages.beside_own import BesideOwn
    from components.stages.elsewhere import KS, held_to
    from components.stages.race_steps import HELD_BYTES
    from components.stages.raced import raced
    from components.stages.selected import Selected, row_cache
    from components.stages.told import CAPTIONS, LABELS, served_by
    from components.validation.takedown import LIST, read_takedown

    params = load_params(stage.root)
    begin = params.recipes.get(stage.the_recipe, Begin())
    if begin.compatible_with:
        raise ConfigError(
            f"{stage.the_recipe} lets ways to tune race, and none of them is held to an old model's space. Take recipes.{stage.the_recipe}."
            "compatible_with out of params.yaml, or finetuning out of the recipe."
        )
    recipe, (race, listed) = load_recipe(stage.root, stage.the_recipe, params.scale), race_of(described)
    selected, pretrained = Selected.read(stage.root, recipe.name), stage.root / f"runs/{recipe.name}/pretrain"
    embedder = load_trained(pretrained, ENCODED)
    with (
        read_sets(stage, asked_of(listed), KS) as sets,
        stage.signals.between_pieces(),
    ):
        check_same(listed, {name: its.whole_digest for name, its in sets.items()})
        numbers = {
            "seed": params.seed,
            "finetuning": described,
            "sets": {name: its.digest for name, its in sets.items()},
        }
        folder = stage.resume_dir([*selected.files, *(pretrained / name for name in MODEL_FILES)], numbers)
        choice = choice_of({"train": selected.train, "val": selected.val}, race.ask)
        beside = BesideOwn.of(
            race, stage.root, stage.root / begin.start, embedder, selected, choice, measured=[selected.val, *(its.whole for its in sets.values())],
            listed=read_takedown(stage.root / LIST).digests | own_pixels(stage.root), scratch=private(stage.root, "tmp"), progress=stage.progress,
        )  # fmt: skip
        others = [one for name, its in sets.items() for one in held_to(name, its.pool, its.evaluators)]
        found = raced(
            embedder, selected.train, selected.val, others, digest=sha256_of(pretrained / WEIGHTS), budget_s=race.budget_s,
            seed=params.seed, folder=folder, progress=stage.progress, most_lost=race.most_lost, batch=beside.batch,
            choice=choice, by=beside.ways, augment=race.augment, recall=beside.recall, most_steps=race.most_steps, ask=race.ask,
            as_trained=beside.as_trained, named=bool(race.ways), cache=row_cache(stage.root, HELD_BYTES),
        )  # fmt: skip
    with stage.output(f"runs/{recipe.name}/finetune") as out:
        save_tuned(out, embedder.model, pretrained)
        if choice:
            served_by(embedder, choice, found.vectors).write(out)
        asked = {"metric": LABELS, "called": dict(choice.called)} if choice else {"metric": CAPTIONS}
        general = {"recalled": dict(beside.known)} if beside.known else {}
        said = {**found.as_json(), **general, **asked, "untouched": not found.alpha}
        if beside.rows is not None and found.alpha:
            write_manifest(beside.rows, out / REPLAYED)
        (out / ADAPTED).write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
        report = {
            "strategy": found.way if found.alpha else "a race", "steps": found.steps, "batch": found.batch,
            "samples": found.steps * found.batch, "pictures": len(selected.train), "alpha": found.alpha, "alphas": sorted({*ALPHAS, *(row["alpha"] for row in found.trade)}),
            "tried": said["trade"], "frozen_digest": None, "train_digest": folder.name,
        }  # fmt: skip
        (out / "metrics.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def own_pixels(root: Path) -> frozenset[str]:
    """Return the digests of the pixels of all that came in: of one's own pictures none is a general one, least of all one that is tested on."""
    from components.data.manifest import read_manifest

    pixels = read_manifest(root / "data/raw/manifest.parquet")["pixel_sha256"]
    return frozenset(pixels.drop_null().to_pylist())


def race_of(described: Mapping[str, Any]) -> "tuple[Race, dict[str, Any]]":
    """Return the race of a section, and its sets as they are written there; the section stays as it is.

    What builds a race takes mappings with a class_path apart, in place, and then the section has no spelling that a digest could be of.
    """
    from components.finetuning.raced import Race
    from components.recipes.section import build

    sets = (described.get("init_args") or {}).get("sets") or {}
    return build(copy.deepcopy(described), Race), copy.deepcopy(sets)


def asked_of(sets: Mapping[str, Any]) -> dict[str, AskedSet]:
    """Return the sets of a race as evaluation lists them."""
    return {
        name: AskedSet(**{key: value for key, value in one.items() if key != "digest"}) for name, one in sets.items()
    }


def check_same(sets: Mapping[str, Any], digests: Mapping[str, str]) -> None:
    """Raise ConfigError for a set that is not the one that the race was to be held to."""
    for name, one in sets.items():
        if (digest := str(one.get("digest", ""))) and not digests[name].startswith(digest):
            raise ConfigError(
                f"the set {name} is known by {digest}, and what lies in {one.get('path')} is {digests[name][:12]}: somebody changed it. Put it back, or name it "
                "again: diptych adapt … --set"
            )


if __name__ == "__main__":
    sys.exit(run_stage("finetune", body))
