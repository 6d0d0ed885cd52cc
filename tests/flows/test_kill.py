"""The kill matrix: whatever is killed, wherever, nothing runs on and the next run ends in the same bytes.

Real stages, read from dvc.yaml, on a person's own pictures at debug scale, fine-tuned. The undisturbed run, `own`, is made
once; each test works in a copy of it in which one stage has yet to be run.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.stages.events import read_position
from components.stages.outcome import StageOutcome
from components.stages.place import address
from flows.graph import stages_of
from flows.workspace import Workspace
from tests.flows.valve import Valve
from tests.workspace import dvc, environment

pytestmark = pytest.mark.timeout(900)  # the first test waits for the undisturbed run too

REPOSITORY = Path(__file__).parents[2]
STAGES = [(name, "clip" if each else None) for name, each in stages_of(REPOSITORY).items()]
TRAINS = ("pretrain", "finetune")
TIMINGS = ("timing", "seconds", "git_commit")


@pytest.fixture
def before(own: Path, tmp_path: Path) -> Any:
    """Return a function from a stage to a workspace in which all but this stage was run."""

    return partial(without, own, tmp_path)


def without(own: Path, folder: Path, name: str, recipe: str | None) -> Path:
    """Return a copy, in `folder`, of the undisturbed run in which a stage has yet to be run."""
    root = shutil.copytree(own.parent, folder / "work", symlinks=True) / own.name
    shutil.rmtree(root / ".diptych")
    shutil.rmtree(root / ".dvc" / "cache" / "runs")  # or DVC restores what it is to run
    lock = yaml.safe_load((root / "dvc.lock").read_text())
    for out in lock["stages"].pop(address(name, recipe))["outs"]:
        shutil.rmtree(root / out["path"])
    (root / "dvc.lock").write_text(yaml.safe_dump(lock))
    return root


def outs(root: Path, name: str, recipe: str | None) -> list[str]:
    """Return the outputs of a stage, from the record of the undisturbed run."""
    lock = yaml.safe_load((root / "dvc.lock").read_text())
    return [out["path"] for out in lock["stages"][address(name, recipe)]["outs"]]


def content(folder: Path) -> dict[str, Any]:
    """Return every file of an output: bytes, and JSON without timings and commit; pages for people show timings too."""
    found: dict[str, Any] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix != ".html"):
        is_json = path.suffix == ".json"
        found[str(path.relative_to(folder))] = stable(json.loads(path.read_text())) if is_json else path.read_bytes()
    assert found, f"{folder} is empty"
    return found


def stable(value: Any) -> Any:
    """Return a JSON value without what no two runs share."""
    if isinstance(value, dict):
        return {key: stable(item) for key, item in value.items() if key not in TIMINGS}
    return [stable(item) for item in value] if isinstance(value, list) else value


def hold(
    root: Path, name: str, recipe: str | None, valve: Valve, until: Any
) -> tuple["subprocess.Popen[str]", StageOutcome]:
    """Start one stage by DVC and return when it stands at its first work, or at training past a checkpoint."""
    position = root / ".diptych" / "outcome" / f"{address(name, recipe)}.position"
    position.unlink(missing_ok=True)
    command = [sys.executable, "-m", "dvc", "repro", "--single-item", address(name, recipe)]
    process = subprocess.Popen(
        command, cwd=root, text=True, env=environment(DIPTYCH_EVENTS=str(valve.path)), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    if name in TRAINS:
        valve.open_until(partial(past, step=3, trained=[]), process)
    until(lambda: process.poll() is not None or read_position(position))  # written just before the event that waits
    outcome = StageOutcome.read(root, name, recipe)
    assert outcome is not None
    assert outcome.lives
    return process, outcome


@pytest.mark.parametrize(("name", "recipe"), STAGES, ids=[address(*stage) for stage in STAGES])
def test_a_stage_that_is_terminated_then_killed_ends_in_the_same_bytes(
    name: str, recipe: str | None, own: Path, before: Any, until: Any, left_in: Any
) -> None:
    root = before(name, recipe)
    results = outs(own, name, recipe)
    for number, state in ((signal.SIGTERM, "interrupted"), (signal.SIGKILL, "running")):
        with Valve(root / "events") as valve:
            process, outcome = hold(root, name, recipe, valve, until)
            os.kill(outcome.pid, number)
            printed, _ = process.communicate(timeout=60)
        assert process.returncode != 0
        until(lambda: not left_in(root), lambda: left_in(root))
        assert not any((root / result).exists() for result in results), "no half of an output stays"
        after = StageOutcome.read(root, name, recipe)
        assert after is not None
        assert after.state == state, after
        if number == signal.SIGTERM:
            assert f"{address(name, recipe)}: stopped at " in printed
    ran = dvc(root, "repro", "--single-item", address(name, recipe))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"the last run was killed in {address(name, recipe)} at " in ran.stdout
    if name in TRAINS:
        assert "this one goes on from there" in ran.stdout
    for result in results:
        assert content(root / result) == content(own / result)
    assert not (root / ".diptych" / "resume" / address(name, recipe)).exists()


def test_whole_runs_that_are_stopped_in_pretrain_leave_nothing_running_and_go_on(
    own: Path, before: Any, until: Any, left_in: Any, prefect_api: str
) -> None:
    root = before("pretrain", "clip")
    # The run that is killed starts a Prefect server of its own, which has to go with it.
    for number, step, more in (
        (signal.SIGINT, 3, {"PREFECT_API_URL": prefect_api}),
        (signal.SIGTERM, 5, {"PREFECT_API_URL": prefect_api}),
        (signal.SIGKILL, 7, {}),
    ):
        with Valve(root / "events") as valve:
            process = subprocess.Popen(
                [sys.executable, "-m", "flows.cli", "run"], cwd=root, text=True, start_new_session=True,
                env=environment(DIPTYCH_EVENTS=str(valve.path), **more), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
            trained: list[int] = []
            valve.open_until(partial(past, step=step, trained=trained), process)
            process.send_signal(number)
            _, said = process.communicate(timeout=60)
            until(lambda: not left_in(root), lambda: left_in(root))
        assert trained[0] >= step - 2, "it went on from the last checkpoint, of which there is one every second step"
        if number == signal.SIGKILL:
            assert process.returncode == -number
            continue
        assert process.returncode == 128 + number
        name = "Ctrl-C" if number == signal.SIGINT else number.name
        assert said.startswith(f"diptych: stopped by {name} in pretrain@clip at training ")
        assert said.endswith("the next run goes on from there.\n")
        assert said.count("\n") == 1
    with Workspace.here("clip", root) as workspace:
        assert len(workspace.news) == 1
        assert workspace.news[0].startswith("the last run was killed in pretrain@clip at training ")
    ran = dvc(root, "repro", "--single-item", "pretrain@clip")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert content(root / "runs/clip/pretrain") == content(own / "runs/clip/pretrain")


def past(event: dict[str, Any], step: int, trained: list[int]) -> bool:
    """Whether training has come to `step`; keeps in `trained` the steps that this run has made."""
    if event["doing"] == "training":
        trained.append(event["done"])
    return bool(trained) and trained[-1] >= step
