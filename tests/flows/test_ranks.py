"""Two ranks in two workspaces, which have a remote and a folder of checkpoints in common: one training, handed on once."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from components.contracts.errors import ConfigError
from components.recipes.params import UNTRAINED
from flows.loopback import free_port
from flows.ranks import train
from flows.shared import VARIABLE
from flows.workspace import Workspace
from tests.flows.test_shared import bring_up, ran, remote
from tests.own_pictures import paint, write_table
from tests.workspace import environment, make_workspace

WITHIN_S = 280.0


@pytest.fixture
def roots(tmp_path: Path, monkeypatch) -> list[Path]:
    """Three workspaces, of which the first has done what goes before a training; the others have nothing but where it lies."""
    write_table(tmp_path / "mine/captions.csv", paint(tmp_path / "mine", 60))
    made = [
        make_workspace(tmp_path / name, source={"name": "table", "path": "../mine"}, recipes={"clip": {"start": UNTRAINED}}, gates={"max_broken": 0.05})
        for name in ("first", "one", "two")
    ]  # fmt: skip
    (tmp_path / "resume").mkdir()
    for root in made:
        remote(root, str(tmp_path / "remote"))
    for root in made[1:]:
        (root / ".diptych").mkdir(mode=0o700)
        (root / ".diptych/resume").symlink_to(tmp_path / "resume")
    monkeypatch.setenv(VARIABLE, "there")
    monkeypatch.chdir(made[0])
    bring_up(made[0], "ingest", "validate", "curate")
    return made


def rank(root: Path, number: int, port: int) -> "subprocess.Popen[str]":
    command = [
        sys.executable,
        "-m",
        "flows.ranks",
        "pretrain",
        "--recipe",
        "clip",
        "--nodes",
        "2",
        "--meet",
        f"127.0.0.1:{port}",
        "--rank",
        str(number),
    ]
    return subprocess.Popen(
        command,
        cwd=root,
        env=environment(DIPTYCH_REMOTE="there"),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


@pytest.mark.timeout(900)
def test_ranks_of_two_workspaces_train_one_model_and_the_first_hands_it_on(roots, tmp_path):
    first, *ranks = roots
    port = free_port()
    running = [rank(root, number, port) for number, root in enumerate(ranks)]
    said = [process.communicate(timeout=WITHIN_S)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0], "\n".join(said)
    assert all(one.rstrip().endswith("ranks: pretrain@clip is done") for one in said)
    one, two = (load_file(root / "runs/clip/pretrain/weights.safetensors") for root in ranks)
    own = {name for name in one if not torch.equal(one[name], two[name])}
    assert own < one.keys()
    assert {name.rpartition(".")[2] for name in own} <= {"running_mean", "running_var"}, (
        "which a rank has of its own part of a batch"
    )
    assert bring_up(first, "pretrain") == ["cached"]
    assert ran(first) == {"ingest", "validate", "curate"}
    with Workspace.here("clip", ranks[0]) as workspace:
        assert workspace.stale("pretrain") == {}
    again = rank(ranks[1], 1, free_port())
    assert again.communicate(timeout=WITHIN_S)[0].rstrip().endswith("ranks: pretrain@clip had been done already")


def test_ranks_that_could_not_meet_are_refused_before_they_begin(toy, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(ConfigError, match="DIPTYCH_REMOTE names no remote"):
        train(toy, "count", "clip", nodes=2, rank=0, meet="127.0.0.1:1")
    monkeypatch.setenv(VARIABLE, "there")
    with pytest.raises(ConfigError, match="rank 2 is none of 2"):
        train(toy, "count", "clip", nodes=2, rank=2, meet="127.0.0.1:1")
