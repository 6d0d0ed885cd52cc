"""A race that is killed inside a heat goes on where it was: with the heats that were done, and with that one from its last checkpoint."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from components.data.transforms.preprocess import Preprocess
from components.recipes.trained import save_trained
from components.stages.heats import CHECKPOINT_EVERY
from tests.flows.valve import Valve
from tests.own_pictures import paint, write_table
from tests.squares import described_at_debug
from tests.workspace import environment

REPOSITORY = Path(__file__).parents[2]
STEPS = 2 * CHECKPOINT_EVERY - 1  # of the long heat: one checkpoint, and as far as can be to the end


@pytest.fixture
def adapting(tmp_path, clip, vocabulary):
    """Start the command in a process of its own, to a folder; one way takes part."""
    (tmp_path / "start").mkdir()
    save_trained(tmp_path / "start", clip.model, described_at_debug(vocabulary), vocabulary, Preprocess(size=32))
    write_table(tmp_path / "captions.csv", paint(tmp_path / "mine", 40))
    (tmp_path / "captions.csv").rename(tmp_path / "mine/captions.csv")
    begun: list[subprocess.Popen[str]] = []

    def begin(to: str, **more: str) -> "subprocess.Popen[str]":
        words = [
            "mine",
            "--from",
            "start",
            "--to",
            to,
            "--batch",
            "8",
            "--way",
            "last-layers",
            "--most-steps",
            str(STEPS),
        ]
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.cli", "adapt", *words], cwd=tmp_path, text=True, start_new_session=True,
            env=environment(PYTHONPATH=str(REPOSITORY), **more), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        begun.append(process)
        return process

    try:
        yield begin
    finally:
        for process in begun:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)


def came_of(folder):
    """Return what is left, without what it took."""
    found = json.loads((folder / "adapted.json").read_text())
    heats = [{key: value for key, value in heat.items() if key != "seconds"} for heat in found["heats"]]
    return {**found, "heats": heats}, (folder / "model/weights.safetensors").read_bytes()


@pytest.mark.timeout(900)
def test_a_race_that_is_killed_inside_a_heat_goes_on_there_and_ends_in_the_same_bytes(adapting, tmp_path):
    whole = adapting("whole")
    _, err = whole.communicate(timeout=600)
    assert whole.returncode == 0, err
    trained: list[tuple[int, int]] = []

    def past(step):
        def wanted(event):
            if event["doing"] == "training":
                trained.append((event["done"], event["total"]))
            return bool(trained) and trained[-1] == (step, STEPS)

        return wanted

    with Valve(tmp_path / "events") as valve:
        killed = adapting("out", DIPTYCH_EVENTS=str(valve.path))
        valve.open_until(past(CHECKPOINT_EVERY + 4), killed)
        os.kill(killed.pid, signal.SIGKILL)
        killed.communicate(timeout=60)
    assert (8, 8) in trained
    (first,) = (tmp_path / "out").rglob("last-layers-8/heat.json")
    before = first.read_bytes()
    trained.clear()
    with Valve(tmp_path / "events") as valve:
        resumed = adapting("out", DIPTYCH_EVENTS=str(valve.path))
        valve.open_until(past(STEPS), resumed)
        assert first.read_bytes() == before, "the heat that was done is not run again"
        valve.open(resumed)
        _, err = resumed.communicate(timeout=60)
    assert resumed.returncode == 0, err
    assert trained[0] == (CHECKPOINT_EVERY + 1, STEPS), "from the last checkpoint, and in no other heat"
    assert came_of(tmp_path / "out") == came_of(tmp_path / "whole")
