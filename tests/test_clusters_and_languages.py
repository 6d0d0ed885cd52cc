"""Scenes through the whole of dvc.yaml at `debug` by two recipes whose data is made for them: clusters for `mlcd`, languages for `rs_m_clip`."""

import csv
import json
import math
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from components.contracts.model_files import WEIGHTS
from components.recipes.params import UNTRAINED
from tests.workspace import dvc, make_workspace

pytestmark = pytest.mark.timeout(900)
RECIPES = ("mlcd", "rs_m_clip")
LABELS = 4  # clusters a picture
LANGUAGES = 8


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A workspace of which both are packaged."""
    root = make_workspace(
        tmp_path_factory.mktemp("two") / "job", source={"name": "scenes", "path": "data/own", "pictures": 240},
        recipes={name: {"start": UNTRAINED} for name in RECIPES},
    )  # fmt: skip
    ran = dvc(root, "repro", *(f"package@{name}" for name in RECIPES))
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-4000:]
    return root


def trained_on(root: Path, name: str) -> list[str]:
    rows = pq.read_table(root / f"data/curated/{name}/manifest.parquet").to_pylist()
    return [row["key"] for row in rows if row["split"] == "train"]


def curve(root: Path, name: str, column: str) -> list[float]:
    with (root / f"runs/{name}/pretrain/curves.csv").open(newline="") as opened:
        return [float(row[column]) for row in csv.DictReader(opened)]


def test_each_picture_has_its_nearest_clusters_which_a_step_is_asked_for(root):
    said = {row["key"]: row for row in pq.read_table(root / "data/curated/mlcd/columns.parquet").to_pylist()}
    for key in trained_on(root, "mlcd"):
        assert len(set(said[key]["clusters"])) == LABELS
        assert said[key]["similarities"] == sorted(said[key]["similarities"], reverse=True)
    assert all(math.isfinite(loss) for loss in curve(root, "mlcd", "train.clusters"))
    assert all(0 < share <= 1 for share in curve(root, "mlcd", "train.rows"))


def test_words_come_to_a_picture_tower_that_stays(root):
    pretrained, tuned = (load_file(root / f"runs/mlcd/{stage}" / WEIGHTS) for stage in ("pretrain", "finetune"))
    parts = {name.partition(".")[0] for name in pretrained}
    assert parts > {"image"}
    assert all(torch.equal(one, tuned[name]) for name, one in pretrained.items() if name.startswith("image."))
    assert not all(torch.equal(one, tuned[name]) for name, one in pretrained.items() if name.startswith("text."))


def test_what_no_dictionary_has_stays_english_and_is_counted(root):
    (told,) = json.loads((root / "data/curated/rs_m_clip/report.json").read_text())["ops"]
    missing = {name: count for name, count in told["stats"].items() if name.startswith("missing ")}
    assert len(missing) == LANGUAGES
    assert set(missing.values()) == {len(trained_on(root, "rs_m_clip"))}, "a caption of a scene is no name of an emoji"


def test_two_losses_are_told_apart_and_the_teacher_does_not_collapse_at_once(root):
    contrast, distil, whole = (curve(root, "rs_m_clip", f"train.{name}") for name in ("contrast", "distil", "loss"))
    assert [one + other for one, other in zip(contrast, distil, strict=True)] == pytest.approx(whole)
    assert all(spread > 0 for spread in curve(root, "rs_m_clip", "train.teacher_spread"))


@pytest.mark.parametrize("name", RECIPES)
def test_it_is_measured_and_packaged(root, name):
    measured = json.loads((root / f"runs/{name}/evaluate/metrics.json").read_text())
    assert measured["retrieval.pair.text_to_image.recall_at_1"]["n"] > 0
    manifest = json.loads((root / f"runs/{name}/package/manifest.json").read_text())
    assert {"image_encoder.onnx", "text_encoder.onnx"} <= {*manifest["files"]}
