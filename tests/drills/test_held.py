"""How the drill of the servers holds a training, on a process that only sleeps, and on what a stage says of where it stands."""

import subprocess

import psutil
import pytest

from tests.drills.stack import OUTCOME, Drill, let_go, moves


def test_a_process_stands_still_goes_on_and_is_gone(until):
    with subprocess.Popen(["sleep", "60"]) as sleeps:
        try:
            process = psutil.Process(sleeps.pid)
            assert moves(process) is True
            process.suspend()
            until(lambda: moves(process) is False, process.status)
            let_go(process)
            until(lambda: moves(process) is True, process.status)
        finally:
            sleeps.kill()
        until(lambda: moves(process) is None)
    let_go(process)


@pytest.mark.parametrize(
    ("position", "trains"),
    [("", False), ("training 1 of 8", True), ("training 8 of 8", False), ("training 1,000 of 2,000", True), ("watching 1 of 8", False)],
)  # fmt: skip
def test_a_training_is_held_where_it_has_steps_behind_it_and_before_it(position, trains, tmp_path):
    path = tmp_path / f"{OUTCOME}.position"
    path.parent.mkdir(parents=True)
    path.write_text(position.ljust(120))
    assert Drill(root=tmp_path, undisturbed=tmp_path).trains() is trains


def test_a_training_that_has_not_begun_is_not_held(tmp_path):
    drill = Drill(root=tmp_path, undisturbed=tmp_path)
    assert drill.pretrain() is None
    assert not drill.trains()
