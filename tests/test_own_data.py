"""A person's own pictures through the whole of dvc.yaml, at `debug`, and what an edit of one caption runs again."""

import json
import shutil
import subprocess

import pyarrow.parquet as pq
import pytest

from components.training.picture import picture
from flows.workspace import Workspace
from tests.workspace import changes, dvc, environment

pytestmark = pytest.mark.timeout(900)


def test_every_stage_ran_and_a_package_is_there(own):
    package = own / "runs/clip/package"
    manifest = json.loads((package / "manifest.json").read_text())
    assert {"image_encoder.onnx", "text_encoder.onnx", "index.parquet"} <= set(manifest["files"])
    index = pq.read_table(package / "index.parquet")
    assert len(index) == 59
    assert {"source", "split"} <= set(index.column_names), "what a search can be narrowed by"
    assert {"train", "val"} <= set(index["split"].to_pylist())
    assert max(manifest["onnx_furthest"].values()) <= manifest["onnx_tolerance"] == 1e-4, (
        "to which a promotion holds it"
    )


def test_what_could_not_be_used_is_counted_and_said(own):
    report = json.loads((own / "data/validated/report.json").read_text())
    assert report["rows_in"] == 60 == report["clean"] + report["pools"] + report["quarantined"]
    assert {code: its["rows"] for code, its in report["reasons"].items()} == {"no_caption": 1}
    assert report["without"]["pictures without a caption"] == "1: 0059.png"
    assert set(json.loads((own / "data/raw/source.json").read_text())["source"]["splits"]) == {
        "train",
        "val",
        "pair",
    }


def test_what_this_data_allows_is_measured_and_the_rest_is_not(own):
    metrics = json.loads((own / "runs/clip/evaluate/metrics.json").read_text())
    for split in ("val", "pair"):
        assert metrics[f"retrieval.{split}.image_to_text.recall_at_1"]["n"] == 6
    assert not [name for name in metrics if name.split(".")[1] in ("designer", "concept", "both")]
    assert metrics["cost.image.flops"]["value"] > 0, "so that a promotion can have a ceiling of it"


def test_sets_of_anybody_s_are_measured_beside_the_data_s_own_pools(own):
    evaluated = own / "runs/clip/evaluate"
    metrics = json.loads((evaluated / "metrics.json").read_text())
    shapes, sayings = metrics["zero_shot.shapes.class.top1"], metrics["retrieval.sayings.image_to_text.recall_at_1"]
    assert (shapes["n"], shapes["chance"], sayings["n"]) == (12, pytest.approx(1 / 3), 8)
    assert shapes["low"] <= shapes["value"] <= shapes["high"]
    assert len({metrics[f"leakage.{name}"]["data"] for name in ("pair", "shapes", "sayings")}) == 3
    assert shapes["data"] == metrics["leakage.shapes"]["data"]
    assert metrics["leakage.shapes"]["value"] == 0
    rows = pq.read_table(evaluated / "rows/zero_shot.shapes.parquet").to_pylist()
    assert [row["label"] for row in rows[:3]] == ["circle", "square", "triangle"]
    assert (
        json.loads((evaluated / "without.json").read_text())["part of sayings"] == "records set aside: 1 (no_caption)"
    )
    page = (own / "runs/clip/package/report.html").read_text()
    assert "a set beside the data&#x27;s own" in page or "a set beside the data's own" in page
    assert "shapes" in page


def test_a_training_leaves_its_curves_as_table_and_picture_and_what_it_took(own):
    left = own / "runs/clip/pretrain"
    header, *rows = (left / "curves.csv").read_text().splitlines()
    assert {"step", "train.loss", "train.lr", "val.image_to_text.recall_at_1"} <= set(header.split(","))
    assert [int(row.split(",")[0]) for row in rows] == list(range(1, 9))
    assert (left / "curves.svg").read_text() == picture((left / "curves.csv").read_text())
    timing = json.loads((left / "metrics.json").read_text())["timing"]
    assert min(timing[name] for name in ("samples_per_s", "mfu", "flops_per_step", "peak_memory_bytes", "seconds")) > 0
    assert 0 <= timing["data_wait"] < 1


def test_labels_of_the_table_are_classified_and_what_it_has_no_labels_for_is_said(own):
    evaluated = own / "runs/clip/evaluate"
    metrics = json.loads((evaluated / "metrics.json").read_text())
    labels = json.loads((evaluated / "labels.json").read_text())["labels"]
    assert metrics["zero_shot.pair.category.top1"]["n"] == 6
    assert metrics["zero_shot.pair.category.top1"]["chance"] == pytest.approx(1 / len(labels))
    assert json.loads((own / "runs/clip/package/labels.json").read_text())["labels"] == labels
    without = json.loads((evaluated / "without.json").read_text())
    assert without["zero_shot.pair.subcategory"] == "no picture has a subcategory, so there is nothing to choose from"
    assert "Not measured: designer" in (own / "runs/clip/package/model_card.md").read_text()


def test_how_sure_it_is_is_measured_and_drawn_in_the_report(own):
    evaluated = own / "runs/clip/evaluate"
    bins = json.loads((evaluated / "calibration.category.json").read_text())
    assert {split: its["queries"] for split, its in bins.items()} == {"val": 6, "pair": 6}
    ece = json.loads((evaluated / "metrics.json").read_text())["calibration.pair.category.ece"]
    assert ece["method"].startswith(
        f"on average {bins['pair']['confidence']:.1%} sure and {bins['pair']['right']:.1%} right"
    )
    page = (own / "runs/clip/package/report.html").read_text()
    drawn = page.partition("<h2 id='believed'>")[2].partition("<h2 ")[0]
    dots = sum(len(its["bins"]) for its in bins.values())
    assert drawn.count("<circle ") == dots > 0


def test_the_report_says_what_the_run_left(own):
    package = own / "runs/clip/package"
    files = json.loads((package / "manifest.json").read_text())["files"]
    page = (package / "report.html").read_text()
    for section, told in {
        "confusion": ("of 6 pictures right, 3 classes", "zero_shot.pair.subcategory are not measured"),
        "slices": ("picture → name by category on pair", "triangle"),
        "map": ("6 pictures and 6 texts of pair in the shared space",),
        "data": ("no_caption 1", "NOASSERTION (nobody stated one)", "und (not determined)"),
        "costs": ("a picture", "not measured", "8 steps of 16 pairs"),
        "lineage": (files["weights.safetensors"], "href='manifest.json'"),
        "use": ("open_embedder(&quot;runs/clip/package&quot;", "InferenceServerClient"),
    }.items():
        drawn = page.partition(f"<h2 id='{section}'>")[2].partition("<h2 ")[0]
        for words in told:
            assert words in drawn, f"{words} in {section}"
    assert str(own) not in page, "no path of this machine"


def test_a_batch_of_the_scale_fits_or_is_made_to(own):
    trained = json.loads((own / "runs/clip/pretrain/metrics.json").read_text())
    assert trained["batch"] == 16
    assert trained["pictures"] == 47
    assert trained["samples"] == trained["steps"] * trained["batch"]


def test_packaged_again_from_another_commit_it_is_the_same_package_and_the_same_report(own, tmp_path):
    root = shutil.copytree(own.parent, tmp_path / "own", symlinks=True) / own.name
    package = root / "runs/clip/package"
    before, page = json.loads((package / "manifest.json").read_text()), (package / "report.html").read_bytes()
    shutil.rmtree(package)
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "maintenance.auto=false"]
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "another"], cwd=root, check=True)
    again = subprocess.run(
        [str(root / "infra/python"), "-m", "components.stages.package", "--recipe", "clip"], cwd=root, env=environment(),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    after = json.loads((package / "manifest.json").read_text())
    assert (package / "report.html").read_bytes() == page
    assert after["git_commit"] != before["git_commit"]
    assert after["digest"] == before["digest"]


def test_code_edited_makes_stale_what_imports_it_and_it_is_said_which_file(own, tmp_path, monkeypatch):
    root = shutil.copytree(own.parent, tmp_path / "own", symlinks=True) / own.name
    monkeypatch.chdir(root)
    edited, shared = "components/objectives/softmax.py", "components/finetuning/locked.py"
    for path in (edited, shared):
        with (root / path).open("a") as file:
            file.write("\n")
    asked = (root / "build/code/pretrain").read_text()
    with Workspace.here("clip", root) as workspace:
        assert workspace.stale() == {
            "pretrain": (f"{edited}: modified",),
            "finetune": (f"{shared}: modified", f"{edited}: modified"),
        }
    assert (root / "build/code/pretrain").read_text() == asked, "to ask changes nothing"
    assert dvc(root, "repro", "code").returncode == 0
    assert set(json.loads(dvc(root, "status", "--json").stdout)) == {"pretrain@clip", "finetune@clip"}
    (root / ".diptych/outcome/pretrain@clip.code").unlink()
    with Workspace.here("clip", root) as workspace:
        assert workspace.stale("pretrain") == {"pretrain": ("build/code/pretrain: modified",)}, (
            "what it ran with is not known"
        )


def test_what_a_flow_ran_after_an_edit_a_shell_does_not_run_again(own, tmp_path, monkeypatch):
    root = shutil.copytree(own.parent, tmp_path / "own", symlinks=True) / own.name
    monkeypatch.chdir(root)
    before = changes(root)
    with (root / "components/serving/card.py").open("a") as file:
        file.write("\n")
    with Workspace.here("clip", root) as workspace:
        assert workspace.stale() == {"package": ("components/serving/card.py: modified",)}
        assert workspace.repro("package").did == "ran"
        assert workspace.stale() == {}
    assert json.loads(dvc(root, "status", "--json").stdout) == {}
    assert {stage for stage, at in changes(root).items() if at != before[stage]} == {"package@clip"}


def test_one_caption_edited_makes_ingest_stale_and_only_it(own, tmp_path):
    root = shutil.copytree(own.parent, tmp_path / "own", symlinks=True) / own.name
    before = changes(root)
    assert json.loads(dvc(root, "status", "--json").stdout) == {}
    table = root.parent / "mine/captions.csv"
    table.write_text(table.read_text().replace("a red circle at the left", "a crimson circle at the left"))
    stale = json.loads(dvc(root, "status", "--json").stdout)
    assert set(stale) == {"ingest"}
    again = dvc(root, "repro", "ingest")
    assert again.returncode == 0, again.stderr
    assert {stage for stage, at in changes(root).items() if at != before[stage]} == {"ingest"}
