"""`diptych reproduce`: a version is run again from its commit, its params and its data, and what differs is named."""

import json
import shutil
import subprocess
import sys

import pytest
import yaml

from components.registry.store import open_store
from components.registry.versions import register
from flows.cli import main
from tests.flows.conftest import STAGES
from tests.flows.seed import set_seed

SAYS = """\
        lock = yaml.safe_load(Path("dvc.lock").read_text())["stages"]
        commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
        outs = {name: {out["path"]: out["md5"] for out in its["outs"]} for name, its in lock.items()}
        whence_it_is = {**whence(Path(".")), "git_commit": commit or None, "lock": outs, "scale": "debug", "seed": 1}
        seal(folder, {**whence_it_is, """


def git(root, *arguments):
    command = ["git", "-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "maintenance.auto=false"]
    return subprocess.run([*command, *arguments], cwd=root, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def root(toy):
    """A toy workspace that is committed, whose packages say where they come from."""
    stages = STAGES.replace("        seal(folder, {", SAYS).replace(
        "import json, re, shutil, sys, time\n",
        "import json, re, shutil, subprocess, sys, time\nimport yaml\nfrom components.stages.whence import whence\n",
    )
    (toy / "stages.py").write_text(stages)
    (toy / ".gitignore").write_text(".diptych/\n/data/raw\n/runs\nmlflow.db*\nmlartifacts/\ndrifted\n")
    git(toy, "add", "-A")
    git(toy, "commit", "-q", "-m", "first")
    return toy


def made(root):
    """Run the stages through DVC, and register what comes out."""
    ran = subprocess.run([sys.executable, "-m", "dvc", "repro"], cwd=root, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return register(root / "runs/clip/package", root, open_store(root))


def test_the_same_comes_out_whatever_the_workspace_has_become(root, capsys):
    made(root)
    set_seed(root, 2)
    (root / "stages.py").write_text("it is broken by now\n")
    git(root, "commit", "-q", "-am", "second")
    shutil.rmtree(root / "data/raw")
    assert main(["reproduce", "clip@1"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith(
        f"clip@1 is reproduced from commit {git(root, 'rev-parse', 'HEAD~1')[:12]} and data dddddddddddd: weights and "
    )
    assert said.out.count("\n") == 1
    assert "count@clip: ran" in said.err, "nothing came from what was computed before"
    assert list((root / ".diptych/reproduce").iterdir()) == []
    assert len(git(root, "worktree", "list").splitlines()) == 1
    assert yaml.safe_load((root / "params.yaml").read_text())["seed"] == 2


def test_what_differs_is_named_by_its_first_stage(root, capsys):
    (root / "drifted").touch()  # which git does not look at, so the checkout has it not
    (root / "infra/mine.py").write_text("A = 1\n")
    made(root)
    assert main(["reproduce", "clip", "1", "--json"]) == 1
    out, err = capsys.readouterr()
    said, lacks = json.loads(out), "it was made with code that no commit has (infra/mine.py); the commit is run without"
    assert lacks in err
    assert (said["equal"], said["first"]) == (False, "evaluate@clip")
    assert [one.startswith(lacks) for one in said["otherwise"]] == [True]
    assert [(one["stage"], one["equal"]) for one in said["stages"]] == [
        ("count@clip", True), ("evaluate@clip", False), ("package@clip", False),
    ]  # fmt: skip
    assert "evaluate@clip is the first stage that differs; runs/clip/evaluate/metrics.json 1 of " in said["sentence"]
    assert "canary.distance.value 0.8 before, 0.9 now" in said["sentence"]


def test_a_checkout_that_is_kept_stays_and_is_gone_on_with_and_another_folder_is_left_alone(root, tmp_path, capsys):
    made(root)
    place = tmp_path / "kept"
    assert main(["reproduce", "clip@1", "--keep", str(place)]) == 0
    assert (place / "runs/clip/package/manifest.json").exists()
    capsys.readouterr()
    (place / "runs/clip/evaluate/metrics.json").unlink()
    assert main(["reproduce", "clip@1", "--keep", str(place)]) == 0
    assert "count@clip: cached" in capsys.readouterr().err
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "letter.txt").write_text("dear")
    assert main(["reproduce", "clip@1", "--keep", str(mine)]) == 1
    assert "is there already, and is no checkout of this version" in capsys.readouterr().err
    assert (mine / "letter.txt").read_text() == "dear"


def test_a_version_whose_commit_or_data_is_gone_is_told_and_what_to_do(root, capsys):
    made(root)
    shutil.rmtree(root / ".dvc/cache")
    assert main(["reproduce", "clip@1"]) == 1
    assert "(digest dddddddddddd) is neither in this workspace nor in DVC's cache. Fetch it" in capsys.readouterr().err
    shutil.rmtree(root / ".git")
    assert main(["reproduce", "clip@1"]) == 1
    assert "which git does not have here. Fetch it from whoever made the version: git fetch" in capsys.readouterr().err
    assert main(["reproduce", "clip@9"]) == 1
    assert "the registry has no version 'clip@9'" in capsys.readouterr().err
