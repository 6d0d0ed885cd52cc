"""The stage on a small real workspace: what passes through is the same bytes, what is tuned says how, and resumes exactly."""

import csv
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors.torch import load_file

from components.contracts.model_files import MODEL, MODEL_FILES, TOKENIZER, TRANSFORMS, WEIGHTS
from tests.workspace import dvc, environment

LOCKED = {
    "class_path": "components.finetuning.locked.LockedImage",
    "init_args": {"share": 1.0, "optimisation": {"lr": 0.01, "weight_decay": 0.1}, "alphas": [1.0]},
}
PRETRAINED, TUNED = Path("runs/clip/pretrain"), Path("runs/clip/finetune")

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def pretrained(own: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that was pre-trained, and whose stage finetune passes through."""
    root = shutil.copytree(own.parent, tmp_path_factory.mktemp("finetune") / "work", symlinks=True) / own.name
    switch_on(root, {})
    ran = finetune(root)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return root


def finetune(root: Path, **changed: str) -> subprocess.CompletedProcess[str]:
    """Run the stage as dvc.yaml does."""
    command = [str(root / "infra/python"), "-m", "components.stages.finetune", "--recipe", "clip"]
    return subprocess.run(command, cwd=root, env=environment(**changed), capture_output=True, text=True, check=False)


def switch_on(root: Path, tuning: dict[str, Any]) -> None:
    """Write a strategy where a person does; {} is none."""
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["overrides"]["finetuning"] = tuning
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


@pytest.fixture(scope="module")
def tuned(pretrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same workspace, tuned."""
    root = tmp_path_factory.mktemp("tuned") / "work"
    shutil.copytree(pretrained, root, symlinks=True)
    switch_on(root, LOCKED)
    ran = finetune(root)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (root / "said.txt").write_text(ran.stdout)
    return root


def files(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def report(root: Path) -> dict[str, Any]:
    return json.loads((root / TUNED / "metrics.json").read_text())


def test_null_passes_the_model_through_and_writes_nothing_else(pretrained):
    before, after = files(pretrained / PRETRAINED), files(pretrained / TUNED)
    assert after == {name: before[name] for name in MODEL_FILES}


def test_null_passes_through_without_torch(pretrained):
    """Torch takes longer to import than the copy takes."""
    ask = "import sys; from components.stages.finetune import body, run_stage; code = run_stage('finetune', body, ['--recipe', 'clip'])"
    command = [sys.executable, "-c", f"{ask}; sys.exit(code or 'torch' in sys.modules)"]
    ran = subprocess.run(command, cwd=pretrained, env=environment(), capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_picture_side_is_the_pre_trained_one_to_the_last_bit_and_the_texts_have_learnt(tuned):
    before, after = load_file(tuned / PRETRAINED / WEIGHTS), load_file(tuned / TUNED / WEIGHTS)
    assert before.keys() == after.keys()
    changed = {name.split(".")[0] for name, value in before.items() if not value.equal(after[name])}
    assert changed == {"text", "text_projection", "logit_scale"}
    assert any("running_mean" in name for name in before), "there were statistics that could have moved"


def test_tokenizer_transform_and_description_are_the_pre_trained_ones(tuned):
    before, after = files(tuned / PRETRAINED), files(tuned / TUNED)
    assert all(before[name] == after[name] for name in (TOKENIZER, TRANSFORMS, MODEL))
    assert set(after) == {*MODEL_FILES, "curves.csv", "curves.svg", "metrics.json"}


def test_it_says_how_it_was_tuned(tuned):
    said = report(tuned)
    assert (said["strategy"], said["steps"], said["batch"], said["samples"]) == ("LockedImage", 8, 16, 128)
    assert (said["alpha"], said["alphas"]) == (1.0, [1.0])
    assert [row["alpha"] for row in said["tried"]] == [0.0, 1.0]
    assert all(0 <= row["val.image_to_text.recall_at_1"] <= 1 for row in said["tried"])
    weights = load_file(tuned / TUNED / WEIGHTS)
    text = sum(
        v.numel() for name, v in weights.items() if name.split(".")[0] in ("text", "text_projection", "logit_scale")
    )
    assert said["trained_parameters"] == text
    assert len(said["frozen_digest"]) == 64


def test_its_curves_end_with_what_the_tuned_weights_score(tuned):
    with (tuned / TUNED / "curves.csv").open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert [int(row["step"]) for row in rows] == list(range(1, 9))
    end = report(tuned)["tried"][1]
    for name in ("val.image_to_text.recall_at_1", "val.text_to_image.recall_at_1"):
        assert float(rows[-1][name]) == end[name]


def test_it_shows_its_steps_as_pretrain_does(tuned):
    said = (tuned / "said.txt").read_text()
    assert "finetune clip: training 8 of 8, loss " in said
    assert "finetune clip: choosing alpha 2 of 2" in said


def test_tuned_again_it_is_the_same_to_the_last_bit(tuned, tmp_path):
    root = tmp_path / "again"
    shutil.copytree(tuned, root, symlinks=True)
    ran = finetune(root)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert all(files(root / TUNED)[name] == files(tuned / TUNED)[name] for name in (WEIGHTS, "curves.csv"))
    assert report(root)["train_digest"] == report(tuned)["train_digest"]


def decoded(root: Path) -> dict[str, int]:
    """The caches of decoded pictures, and when they were made."""
    return {path.name: path.stat().st_mtime_ns for path in (root / ".diptych/cache/decoded").glob("*.rows")}


def test_what_pre_training_decoded_is_not_decoded_again(pretrained, tuned):
    assert len(decoded(pretrained)) == 2  # train for the views, val for the watch
    assert decoded(tuned) == decoded(pretrained)


def test_a_strategy_that_is_misspelt_stops_the_stage_before_any_work(pretrained, tmp_path):
    root = tmp_path / "misspelt"
    shutil.copytree(pretrained, root, symlinks=True)
    switch_on(root, {**LOCKED, "class_path": "components.finetuning.locked.LockdImage"})
    before = files(root / TUNED)
    ran = finetune(root)
    assert ran.returncode == 1
    assert "Did you mean components.finetuning.locked.LockedImage?" in ran.stderr
    assert files(root / TUNED) == before


def test_a_teacher_that_stays_is_the_pre_trained_model(pretrained, tmp_path):
    """What it says of a batch is what the student says at the first step, so there is nothing to distil; later there is."""
    root = tmp_path / "taught"
    shutil.copytree(pretrained, root, symlinks=True)
    switch_on(root, {**LOCKED, "class_path": "components.finetuning.lora.Lora"})
    shutil.copyfile(root / "components/recipes/clip_refine.yaml", root / "components/recipes/clip.yaml")
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["overrides"]["method"] = {"init_args": {"teacher_share": 1.0, "align": 0.0}}
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    ran = finetune(root)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    with (root / TUNED / "curves.csv").open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    first, *_, last = (float(row["train.distil"]) for row in rows)
    assert abs(first) < 1e-5  # rounding; of drawn weights it was 0.2
    assert last > 1e-4


def test_switched_on_dvc_tunes_and_pre_trains_nothing_again(pretrained, tmp_path):
    root = tmp_path / "switched"
    shutil.copytree(pretrained, root, symlinks=True)
    switch_on(root, LOCKED)
    stale = json.loads(dvc(root, "status", "--json", "pretrain@clip", "finetune@clip").stdout)
    assert set(stale) == {"finetune@clip"}


def test_the_package_says_how_it_was_tuned(own):
    package, said = own / "runs/clip/package", report(own)
    pretrained = json.loads((own / PRETRAINED / "metrics.json").read_text())
    manifest = json.loads((package / "manifest.json").read_text())
    assert manifest["finetuning"]["train_digest"] == said["train_digest"] != manifest["train_digest"]
    assert (manifest["finetuning"]["strategy"], manifest["finetuning"]["alpha"]) == ("LockedImage", 0.5)
    assert files(package)[WEIGHTS] == files(own / TUNED)[WEIGHTS] != files(own / PRETRAINED)[WEIGHTS]
    steps = said["steps"]
    how = f"LockedImage for {steps} steps, then alpha 0.5 between the weights before (0) and after (1), as the recipe says"
    assert f"- fine-tuned: {how}" in (package / "model_card.md").read_text()
    page = (package / "report.html").read_text()
    assert f"fine-tuned: {how}" in page
    assert f"none of {pretrained['captions']['captions']:,} captions is longer than 24 tokens" in page
