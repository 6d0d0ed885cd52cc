"""Stage package: one folder with all that serving needs, compared with torch, sealed by sha256."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from components.contracts.model_files import MODEL_FILES, REPLAYED, model_digest
from components.contracts.plain_yaml import load_yaml
from components.contracts.sample import TEST_SPLITS
from components.data.beyond import Beyond
from components.data.manifest import read_manifest
from components.data.selection import read_pool
from components.evaluation.adapting import main_lines
from components.evaluation.examples import draw
from components.evaluation.report.page import Contents, render
from components.evaluation.report.use import snippets
from components.evaluation.wording import tuning
from components.recipes.params import Params, load_params
from components.recipes.recipe import Recipe, load_recipe
from components.recipes.trained import load_trained
from components.registry.forebears import AGAIN, MADE
from components.serving.card import About, model_card
from components.serving.export import TEXTS, export
from components.serving.labels import LABEL_FILES, Labels, measured_labels
from components.serving.pack import columns_of, seal, write_index
from components.stages.code import CODE
from components.stages.replayed import replayed_of
from components.stages.reported import (
    SHOWN_SPLIT,
    Indexed,
    calibration_of,
    changed_of,
    confusions_of,
    costs_of,
    curves_of,
    data_of,
    examples,
    lineage_of,
    mapped,
    slices_of,
    typical,
)  # fmt: skip
from components.stages.runtime import run_stage
from components.stages.stage import Stage
from components.stages.whence import whence

COMPARED = 64  # pictures and texts on which ONNX is compared with torch
TUNED = (
    "strategy",
    "steps",
    "samples",
    "alpha",
    "alphas",
    "frozen_digest",
    "train_digest",
)  # what the manifest says of it


def body(stage: Stage) -> None:
    """Write runs/<recipe>/package."""
    params = load_params(stage.root)
    recipe = load_recipe(stage.root, stage.the_recipe, params.scale)
    run = stage.root / "runs" / recipe.name
    metrics, without, came_in, training = (
        json.loads(path.read_text(encoding="utf-8"))
        for path in (
            run / "evaluate/metrics.json",
            run / "evaluate/without.json",
            stage.root / "data/raw/source.json",
            run / "pretrain/metrics.json",
        )
    )
    training = without_places(training)
    tuned = tuning_of(run / "finetune/metrics.json")
    again = replayed_of(run / "finetune")
    embedder = load_trained(run / "finetune", recipe.evaluation.batch)
    rows = everything(stage.root)
    pool = read_pool(rows, stage.root / "data/raw")
    names = [texts[0] for texts in pool.captions]
    title, paper = (
        f"{recipe.name}, {params.scale}",
        f"{recipe.card.title} ({recipe.card.year}, arXiv:{recipe.card.arxiv})",
    )
    facts = [
        ("data", came_in["digest"][:12]), ("pictures trained on", f"{training['pictures']:,}"),
        ("samples seen", f"{training['samples']:,}"), ("parameters", f"{training['parameters']:,}"),
        *([("learnt from again", f"{len(again):,} pictures of its start")] if again else []),
        ("numbers", training["precision"]), ("seed", str(params.seed)), ("read", str(Beyond(**training["captions"]))), ("fine-tuned", tuning(tuned)),
        *([("begun from", f"{start['path']}, {start['digest'][:12]}")] if (start := training.get("start")) else []),
    ]  # fmt: skip
    with stage.output(f"runs/{recipe.name}/package") as out:
        for name in (*MODEL_FILES, *([REPLAYED] if again else [])):
            shutil.copyfile(run / "finetune" / name, out / name)
        shutil.copyfile(
            run / "evaluate/metrics.json", out / "metrics.json"
        )  # a version is a model and what it was measured to do
        embeddings = embedder.pictures(pool.pictures, stage.progress, "indexing pictures")
        write_index(out, embeddings, list(pool.keys), names, list(pool.sources), columns_of(rows))
        scale = embedder.model.logit_scale().item()
        labels = (
            Labels.read(run / "finetune")  # those that a race told apart
            if (run / "finetune" / LABEL_FILES[0]).exists()
            else measured_labels(run / "evaluate/labels.json", embedder.texts, embeddings.shape[1], scale)
        )
        labels.write(out)
        furthest = export(
            embedder.model, out, embedder.pixels(pool.pictures[:COMPARED]),
            embedder.vocabulary([*names[:COMPARED], *TEXTS]), recipe.serving.opset, recipe.serving.tolerance,
        )  # fmt: skip
        stage.progress("exporting", 1, 1)
        shutil.copyfile(stage.root / "data/validated/card.md", out / "dataset_card.md")  # the model card names it
        splits = rows["split"].to_pylist()
        indexed = Indexed(pool=pool, splits=splits, embeddings=embeddings)
        found, said = examples(embedder, indexed)
        evaluated, data = run / "evaluate", data_of(stage.root, recipe.name, training)
        how = snippets(f"runs/{recipe.name}/package", found[0].text)
        card = model_card(
            About(
                name=recipe.name, title=title, paper=paper, source=came_in["source"], data=came_in["digest"], licences=data.licences,
                languages=data.languages, facts=facts, metrics=metrics, without=without, use=how,
            )
        )  # fmt: skip
        (out / "model_card.md").write_text(card, encoding="utf-8")
        changed = changed_of(run, indexed)
        page = render(
            Contents(
                title=title, paper=paper, facts=facts, metrics=metrics, without=without, split=SHOWN_SPLIT,
                data=data, curves=curves_of(run / "pretrain/curves.csv"),
                cases=typical(evaluated, indexed), examples=found, calibration=calibration_of(evaluated),
                confusions=confusions_of(evaluated), slices=slices_of(evaluated, metrics, indexed, params.seed),
                atlas=mapped(embedder, indexed), costs=costs_of(embedder, out, metrics, training),
                lineage=lineage_of(out, recipe.name, came_in["digest"], data.digest, training),
                use=how, raced=changed.raced, held=changed.held, advice=changed.sentence,
            )
        )  # fmt: skip
        (out / "report.html").write_text(page, encoding="utf-8")
        (out / "examples.png").write_bytes(draw(found, said))
        signature = {"width": embeddings.shape[1], "labels": labels.set}  # what whoever asks a server relies on
        where_from = about(stage.root, recipe, params, came_in["digest"], training, tuned)
        if changed.held is not None:
            where_from["elsewhere"] = moved(changed.held)
            where_from["advice"] = changed.sentence
        exported = {"onnx_furthest": furthest, "onnx_tolerance": recipe.serving.tolerance}
        seal(out, {**where_from, **exported, "signature": signature})


def everything(root: Path) -> pa.Table:
    """Return all clean rows: what was trained on, and every pool."""
    pools = [read_manifest(root / f"data/evaluation/{split}/manifest.parquet") for split in TEST_SPLITS]
    return pa.concat_tables([read_manifest(root / "data/validated/manifest.parquet"), *pools])


def moved(held: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return by set, and by set and number where it has several, how far each main number is from what the start had, with its interval: what the gate asks."""
    kept = ("metric", "difference", "low", "high", "able")
    found: dict[str, dict[str, Any]] = {}
    for name, its in held["elsewhere"].items():
        mains = main_lines(its)
        for line in mains:
            called = name if len(mains) == 1 else f"{name} {line['metric'].rpartition('.')[2]}"
            found[called] = {key: line[key] for key in kept if key in line}
    return found


def without_places(training: Mapping[str, Any]) -> dict[str, Any]:
    """Return what pretrain said with the name alone of a start that lay outside of the workspace: where is of this machine, and no part of a model."""
    start = training.get("start")
    if start is None or not Path(start["path"]).is_absolute():
        return dict(training)
    return {**training, "start": {**start, "path": Path(start["path"]).name}}


def tuning_of(path: Path) -> dict[str, Any] | None:
    """Return what stage finetune says of its tuning; it writes nothing where the model passed through."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def about(
    root: Path, recipe: Recipe, params: Params, data: str, training: dict[str, Any], tuned: dict[str, Any] | None
) -> dict[str, Any]:
    """Return what manifest.json says beside the files: where the package comes from."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=False).stdout
    again = replayed_of(root / "runs" / recipe.name / "finetune")
    lock = load_yaml((root / "dvc.lock").read_text()) if (root / "dvc.lock").exists() else {"stages": {}}
    return {
        "recipe": recipe.name, "scale": params.scale, "seed": params.seed, "data_digest": data,
        "git_commit": commit.strip() or None, "train_digest": training["train_digest"], "start": training.get("start"),
        MADE: {stage: model_digest(root / "runs" / recipe.name / stage) for stage in ("pretrain", "finetune")},
        AGAIN: 0 if again is None else len(again),
        "compatible_with": training.get("compatible_with"),
        "finetuning": tuned and {name: tuned[name] for name in TUNED},
        "lock": {
            name: {out["path"]: out["md5"] for out in entry.get("outs", ())}
            for name, entry in sorted(lock["stages"].items())
            if name.partition("@")[2] in ("", recipe.name) and name not in (CODE, f"package@{recipe.name}")
        },
        **whence(root),
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(run_stage("package", body))
