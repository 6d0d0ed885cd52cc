"""Stage package: one folder with all that serving needs, compared with torch, sealed by sha256."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from components.contracts.model_files import MODEL_FILES
from components.contracts.sample import TEST_SPLITS
from components.data.beyond import Beyond
from components.data.manifest import read_manifest
from components.data.selection import Pool, read_pool
from components.evaluation.cases import Case, Pictures, cases
from components.evaluation.embedding import Embedder
from components.evaluation.examples import Example, draw, nearest_pictures
from components.evaluation.report.page import render
from components.evaluation.wording import tuning
from components.recipes.params import Params, load_params
from components.recipes.recipe import Recipe, load_recipe
from components.recipes.trained import load_trained
from components.serving.card import model_card
from components.serving.export import export
from components.serving.labels import measured_labels
from components.serving.pack import seal, write_index
from components.stages.runtime import run_stage
from components.stages.stage import Stage

COMPARED = 64  # pictures and texts on which ONNX is compared with torch
QUERIES, SHOWN = 8, 6  # on the page: queries, and pictures for each
TUNED = (
    "strategy",
    "steps",
    "samples",
    "alpha",
    "alphas",
    "frozen_digest",
    "train_digest",
)  # what the manifest says of it
SHOWN_SPLIT = "pair"  # held-out pictures of known things: every source has them


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
    tuned = tuning_of(run / "finetune/metrics.json")
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
        ("numbers", training["precision"]), ("seed", str(params.seed)), ("read", str(Beyond(**training["captions"]))), ("fine-tuned", tuning(tuned)),
        *([("begun from", f"{start['path']}, {start['digest'][:12]}")] if (start := training.get("start")) else []),
    ]  # fmt: skip
    with stage.output(f"runs/{recipe.name}/package") as out:
        for name in MODEL_FILES:
            shutil.copyfile(run / "finetune" / name, out / name)
        shutil.copyfile(
            run / "evaluate/metrics.json", out / "metrics.json"
        )  # a version is a model and what it was measured to do
        embeddings = embedder.pictures(pool.pictures, stage.progress, "indexing pictures")
        write_index(out, embeddings, list(pool.keys), names, list(pool.sources))
        scale = embedder.model.logit_scale().item()
        labels = measured_labels(run / "evaluate/labels.json", embedder.texts, embeddings.shape[1], scale)
        labels.write(out)
        furthest = export(
            embedder.model, out, embedder.pixels(pool.pictures[:COMPARED]), embedder.vocabulary(names[:COMPARED]).ids,
            recipe.serving.opset, recipe.serving.tolerance,
        )  # fmt: skip
        stage.progress("exporting", 1, 1)
        card = model_card(title, paper, came_in["source"], facts, metrics, without)
        shutil.copyfile(stage.root / "data/validated/card.md", out / "dataset_card.md")  # the model card names it
        (out / "model_card.md").write_text(card, encoding="utf-8")
        found, said = examples(embedder, pool, embeddings, rows["split"].to_pylist())
        found_in = json.loads((stage.root / "data/validated/report.json").read_text(encoding="utf-8"))
        page = render(
            title, [("", paper), *facts], metrics, found_in, curves_of(run / "pretrain/curves.csv"), SHOWN_SPLIT,
            typical(run / "evaluate", pool, rows["split"].to_pylist()), found, calibration_of(run / "evaluate"),
        )  # fmt: skip
        (out / "report.html").write_text(page, encoding="utf-8")
        (out / "examples.png").write_bytes(draw(found, said))
        signature = {"width": embeddings.shape[1], "labels": labels.set}  # what whoever asks a server relies on
        where_from = about(stage.root, recipe, params, came_in["digest"], training, tuned)
        seal(out, {**where_from, "onnx_furthest": furthest, "signature": signature})


def everything(root: Path) -> pa.Table:
    """Return all clean rows: what was trained on, and every pool."""
    pools = [read_manifest(root / f"data/evaluation/{split}/manifest.parquet") for split in TEST_SPLITS]
    return pa.concat_tables([read_manifest(root / "data/validated/manifest.parquet"), *pools])


def examples(embedder: Embedder, pool: Pool, embeddings: np.ndarray, splits: list[str]) -> tuple[list[Example], str]:
    """Return texts with what they find among the held-out pictures of known things, or all if those are few, and a title."""
    held = [place for place, split in enumerate(splits) if split == SHOWN_SPLIT]
    kept, called = (held, "held-out ") if len(held) >= QUERIES * SHOWN else (list(range(len(pool))), "")
    found = nearest_pictures(
        embedder.texts, [pool.captions[i][0] for i in kept], [pool.concepts[i] for i in kept],
        [pool.pictures[i] for i in kept], embeddings[kept], QUERIES, SHOWN,
    )  # fmt: skip
    return found, f"The nearest of {len(kept):,} {called}pictures to a text, nearest first. Green: what it names."


def typical(evaluated: Path, pool: Pool, splits: list[str]) -> dict[str, dict[str, list[Case]]]:
    """Return what the model got best, typically and worst on the held-out pictures; nothing where there are none."""
    rows = evaluated / "rows" / f"retrieval.{SHOWN_SPLIT}.parquet"
    if not rows.exists():
        return {}
    held = [place for place, split in enumerate(splits) if split == SHOWN_SPLIT]
    pictures = Pictures(
        pictures={pool.keys[i]: pool.pictures[i] for i in held}, captions={pool.keys[i]: pool.captions[i] for i in held}
    )
    return cases(pq.read_table(rows).to_pylist(), pictures)


def calibration_of(evaluated: Path) -> dict[str, Any]:
    """Return label -> split -> how sure the model was and how often right; {} where the recipe does not list Calibration."""
    files = sorted(evaluated.glob("calibration.*.json"))
    return {path.name.split(".")[1]: json.loads(path.read_text(encoding="utf-8")) for path in files}


def curves_of(path: Path) -> dict[str, list[tuple[int, float]]]:
    """Return the curves a person looks at first: the loss, and recall on the validation split."""
    wanted = ("train.loss", "val.image_to_text.recall_at_1", "val.text_to_image.recall_at_1")
    with path.open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    return {name: [(int(row["step"]), float(row[name])) for row in rows if row.get(name)] for name in wanted}


def tuning_of(path: Path) -> dict[str, Any] | None:
    """Return what stage finetune says of its tuning; it writes nothing where the model passed through."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def about(
    root: Path, recipe: Recipe, params: Params, data: str, training: dict[str, Any], tuned: dict[str, Any] | None
) -> dict[str, Any]:
    """Return what manifest.json says beside the files: where the package comes from."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=False).stdout
    lock = yaml.safe_load((root / "dvc.lock").read_text()) if (root / "dvc.lock").exists() else {"stages": {}}
    return {
        "recipe": recipe.name, "scale": params.scale, "seed": params.seed, "data_digest": data,
        "git_commit": commit.strip() or None, "train_digest": training["train_digest"], "start": training.get("start"),
        "finetuning": tuned and {name: tuned[name] for name in TUNED},
        "lock": {
            name: {out["path"]: out["md5"] for out in entry.get("outs", ())}
            for name, entry in sorted(lock["stages"].items())
            if name.partition("@")[2] in ("", recipe.name) and name != f"package@{recipe.name}"
        },
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(run_stage("package", body))
