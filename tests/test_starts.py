"""A paper of one's own beside the others: one file, one recipe and this test; and begun from the model of another, by DVC."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from components.contracts.model_files import MODEL_FILES, WEIGHTS
from components.contracts.sealed import digest_of, sha256_of
from components.recipes.params import UNTRAINED
from components.registry.forebears import models_of
from components.stages.code import files_of
from flows.workspace import Workspace
from tests.workspace import diptych, dvc

pytestmark = pytest.mark.timeout(900)
START = "runs/clip/pretrain"
METHOD = '''"""Half of CLIP: the same contrast at half of its weight. Differs from its paper in that there is none."""

from components.contracts.batch import Batch
from components.contracts.method import Clock, Losses
from components.methods.clip import Clip


class Halved(Clip):
    """As Clip."""

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        """Return half of Clip's."""
        whole = super().losses(batch, clock)
        return Losses(terms={"half": whole.terms["contrast"] / 2}, seen=whole.seen, embedded=whole.embedded)
'''


@pytest.fixture(scope="module")
def root(own, tmp_path_factory) -> Path:
    """A copy of a workspace where clip was trained, to which the paper was added: two steps, begun from clip."""
    root = Path(shutil.copytree(own.parent, tmp_path_factory.mktemp("starts") / "own", symlinks=True)) / own.name
    (root / "components/methods/halved.py").write_text(METHOD)
    recipe = (root / "components/recipes/clip.yaml").read_text().replace("methods.clip.Clip", "methods.halved.Halved")
    still = re.sub(r"lr: [^,]+", "lr: 1.0e-12", recipe)  # so that weights stay those they began with
    (root / "components/recipes/halved.yaml").write_text(still)
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["recipes"]["halved"] = {"start": START}
    params["overrides"] |= {"training": {"steps": 2}, "finetuning": {}}
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    listed = files_of(root)
    wrote = subprocess.run(
        [sys.executable, "-m", "infra.stage_code", "--write"], cwd=root, capture_output=True, text=True
    )
    added = {path for stage, files in files_of(root).items() for path in files if path not in listed[stage]}
    assert added == {"components/methods/halved.py"}, wrote.stderr
    for stage in ("code", "curate@halved", "pretrain@halved"):
        ran = dvc(root, "repro", "--single-item", stage)
        assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-4000:]
    return root


@pytest.fixture(autouse=True)
def here(root, monkeypatch):
    """Stand in the workspace: DVC looks for stages from where it is called."""
    monkeypatch.chdir(root)


@pytest.fixture
def params(root):
    """Change params.yaml for one test: a function that takes the start."""
    path = root / "params.yaml"
    before = path.read_text()

    def change(start: str, name: str = "halved") -> None:
        said = yaml.safe_load(before)
        said["recipes"][name] = {"start": start}
        path.write_text(yaml.safe_dump(said, sort_keys=False))

    yield change
    path.write_text(before)


def stale(root: Path) -> list[str]:
    with Workspace.here("halved", root) as workspace:
        return list(workspace.stale("curate", "pretrain"))


def test_one_file_and_one_recipe_are_a_paper(root):
    shown = diptych(root, "recipes", "show", "halved")
    assert yaml.safe_load(shown.stdout)["method"]["class_path"] == "components.methods.halved.Halved", shown.stderr
    trained = json.loads((root / "runs/halved/pretrain/metrics.json").read_text())
    assert trained["steps"] == 2
    assert "train.half" in (root / "runs/halved/pretrain/curves.csv").read_text().splitlines()[0]


def test_it_began_with_the_weights_of_its_start(root):
    began, ended = (load_file(root / f"runs/{name}/pretrain" / WEIGHTS) for name in ("clip", "halved"))
    learnt = [name for name in began if "running_" not in name and "num_batches" not in name]
    assert len(learnt) > 20
    for name in learnt:
        torch.testing.assert_close(ended[name], began[name], rtol=0, atol=1e-6)


def test_what_it_began_from_is_kept_by_its_digest(root):
    kept = json.loads((root / "runs/halved/pretrain/metrics.json").read_text())["start"]
    assert kept == {"path": START, "digest": digest_of({name: sha256_of(root / START / name) for name in MODEL_FILES})}
    assert json.loads((root / "runs/clip/pretrain/metrics.json").read_text())["start"] is None
    package = json.loads((root / "runs/clip/package/manifest.json").read_text())
    assert package["models"]["pretrain"] == kept["digest"], "by which its version is found"
    assert package["models"]["finetune"] == models_of({"files": package["files"]})["package"] != kept["digest"]


def test_another_start_or_other_bytes_in_it_run_the_stage_again_and_nothing_before(root, params):
    locked = yaml.safe_load((root / "dvc.lock").read_text())["stages"]["pretrain@halved"]["deps"]
    assert START in [dep["path"] for dep in locked]
    assert stale(root) == []
    params("runs/clip/finetune")
    assert stale(root) == ["pretrain"]
    params(UNTRAINED)
    assert stale(root) == ["pretrain"]
    params(START)
    assert stale(root) == []
    tokenizer = root / START / "tokenizer.json"
    was = tokenizer.read_bytes()
    tokenizer.chmod(0o644)
    tokenizer.write_bytes(was + b"\n")
    assert stale(root) == ["pretrain"]
    tokenizer.write_bytes(was)


def test_a_run_brings_what_it_begins_from_up_to_date_first(root, params):
    with Workspace.here("halved", root) as workspace:
        work = [its.address(stage) for its, stage in workspace.work(until="pretrain")]
    assert work == ["ingest", "validate", "curate@clip", "pretrain@clip", "curate@halved", "pretrain@halved"]
    params(UNTRAINED)
    with Workspace.here("halved", root) as workspace:
        assert [its.address(stage) for its, stage in workspace.work("curate")] == [
            "ingest",
            "validate",
            "curate@halved",
        ]


def test_a_start_that_does_not_fit_ends_the_stage_with_both_sides(root, params):
    shutil.copytree(root / "data/curated/halved", root / "data/curated/siglip", dirs_exist_ok=True)
    params(START, name="siglip")
    ran = subprocess.run(
        [sys.executable, "-m", "components.stages.pretrain", "--recipe", "siglip"],
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 1
    assert "runs/clip/pretrain does not fit the model of siglip: it lacks logit_scale.bias" in ran.stderr
    assert not (root / "runs/siglip").exists()
