"""A training goes on from the last checkpoint that is whole, and loses no more than it must."""

import copy
import os
import signal
from pathlib import Path

import pytest
import torch
from torch import nn

from components.contracts.errors import ConfigError, Interrupted
from components.training.checkpoints import Checkpoints, WentBack, keys_that_differ
from tests.components.training.test_train import SCALE, run, weights


class Killed(BaseException):
    """What ends a test's training as a kill does: nothing of ours catches it."""


def cut_off(method, batches, folder: Path, *, after: int, by: type[BaseException]) -> None:
    """Train until `by` is raised after a step."""

    def told(step: int) -> None:
        if step == after:
            raise by

    with pytest.raises(by):
        run(method, batches, folder, told=told)


def steps_kept(folder: Path) -> list[int]:
    return sorted(int(path.name.split("-")[1]) for path in folder.glob("*.ckpt"))


@pytest.fixture
def whole(method, batches, tmp_path_factory):
    """Curves and weights of a training that nothing disturbs."""
    undisturbed = copy.deepcopy(method)
    trained = run(undisturbed, batches, tmp_path_factory.mktemp("whole"))
    return trained.curves, weights(undisturbed)


def test_a_kill_loses_at_most_the_steps_since_the_last_checkpoint(method, batches, whole, tmp_path):
    cut_off(copy.deepcopy(method), batches, tmp_path, after=9, by=Killed)
    resumed = run(method, batches, tmp_path)
    assert resumed.resumed_at == 9 // SCALE.checkpoint_every * SCALE.checkpoint_every
    assert resumed.curves == whole[0]
    assert torch.equal(weights(method), whole[1])


def test_a_signal_in_the_middle_of_a_step_loses_no_step(method, batches, whole, signals, tmp_path):
    started = copy.deepcopy(method)
    losses = started.losses

    def interrupted(batch, clock):
        if clock.step == 6:  # the seventh
            os.kill(os.getpid(), signal.SIGTERM)
        return losses(batch, clock)

    started.losses = interrupted
    check = signals.at_once(lambda doing, done, total, **seen: signals.check())
    with pytest.raises(Interrupted, match="SIGTERM"), signals.between_pieces():
        run(started, batches, tmp_path, told=lambda step: check("training", step, SCALE.steps))
    assert steps_kept(tmp_path) == [5, 7]
    resumed = run(method, batches, tmp_path)
    assert resumed.resumed_at == 7
    assert resumed.curves == whole[0]
    assert torch.equal(weights(method), whole[1])


def flipped(path: Path) -> None:
    """Change one bit in the middle, as a bad disk does."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    """Leave half of it, as a copy that broke off does."""
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("damage", [flipped, cut])
def test_of_a_damaged_checkpoint_it_is_said_and_the_one_before_gone_on_from(
    damage, method, batches, whole, tmp_path, capsys
):
    cut_off(copy.deepcopy(method), batches, tmp_path, after=11, by=Killed)
    assert steps_kept(tmp_path) == [5, 10]
    damage(next(tmp_path.glob("step-000000010-*")))
    resumed = run(method, batches, tmp_path)
    assert resumed.resumed_at == 5
    said = capsys.readouterr().out
    assert said.startswith("damaged, and left out: the checkpoint of step 10 (")
    assert said.endswith("training goes on from the one of step 5\n")
    assert resumed.curves == whole[0]
    assert torch.equal(weights(method), whole[1])


def test_where_all_are_damaged_training_begins_anew(method, batches, whole, tmp_path, capsys):
    cut_off(copy.deepcopy(method), batches, tmp_path, after=6, by=Killed)
    for path in tmp_path.glob("*.ckpt"):
        cut(path)
    assert run(method, batches, tmp_path).resumed_at == 0
    assert capsys.readouterr().out.endswith("training begins anew\n")
    assert torch.equal(weights(method), whole[1])


def test_a_file_that_was_being_written_is_none(method, batches, tmp_path):
    cut_off(copy.deepcopy(method), batches, tmp_path, after=7, by=Interrupted)
    (kept,) = [path for path in tmp_path.glob("*.ckpt") if "000000007" in path.name]
    kept.rename(tmp_path / "checkpoint.part")
    assert run(method, batches, tmp_path).resumed_at == 5


def test_the_last_two_stay_and_what_lies_ahead_goes(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    for step in (10, 20, 30, 25):
        checkpoints.aside.write_bytes(f"step {step}".encode())
        checkpoints.keep(step)
    assert steps_kept(tmp_path) == [20, 25]


def test_a_checkpoint_of_another_model_is_refused_with_the_keys_that_differ(method, batches, tmp_path):
    cut_off(method, batches, tmp_path, after=6, by=Interrupted)
    other = copy.deepcopy(method)
    other.model.text_projection.linear = nn.Linear(16, 8, bias=True)
    other.model.extra = nn.Linear(2, 2)
    with pytest.raises(ConfigError, match="is of another model") as refused:
        run(other, batches, tmp_path)
    said = str(refused.value)
    assert (
        "it lacks method.model.text_projection.linear.bias, method.model.extra.weight, method.model.extra.bias" in said
    )
    assert "it has method.model.text_projection.linear.weight (16, 16) and not (8, 16)" in said
    assert f"remove step-*.ckpt and went_back.json, where there is one, from {tmp_path} to begin anew" in said


def kept(folder: Path, step: int) -> Path:
    """Leave a checkpoint of a step."""
    checkpoints = Checkpoints(folder)
    checkpoints.aside.write_bytes(b"weights")
    return checkpoints.keep(step)


def test_word_of_going_back_is_heeded_where_there_is_a_checkpoint_that_it_can_be_of(tmp_path):
    newest, checkpoints = kept(tmp_path, 5), Checkpoints(tmp_path)
    back = WentBack(to=newest.name, left_out=frozenset({8}), tries=frozenset({8, 9}))
    checkpoints.go_back(back)
    assert checkpoints.went_back(pytest.fail) == back
    kept(tmp_path, 10)
    cut(kept(tmp_path, 11))
    assert checkpoints.went_back(pytest.fail) == back
    for path in tmp_path.glob("*.ckpt"):
        path.unlink()
    assert checkpoints.went_back(pytest.fail) == WentBack()
    nothing = WentBack(to="", left_out=frozenset({1}), tries=frozenset({1}))
    checkpoints.go_back(nothing)
    assert checkpoints.went_back(pytest.fail) == nothing, "it went back to the beginning, where there is none"
    kept(tmp_path, 5)
    assert checkpoints.went_back(pytest.fail) == nothing


@pytest.mark.parametrize(
    "said", ["", '{"to": "step', "{}", "[]", "3", '{"to": "a", "left_out": 3, "tries": []}', '{"to": "a", "left_out": ["b"], "tries": []}']
)  # fmt: skip
def test_word_of_going_back_that_is_damaged_is_said_and_left_out(tmp_path, said):
    kept(tmp_path, 5)
    (tmp_path / "went_back.json").write_text(said)
    heard = []
    assert Checkpoints(tmp_path).went_back(heard.append) == WentBack()
    (one,) = heard
    assert one.startswith("damaged, and left out: went_back.json (")


def test_keys_are_listed_by_kind_and_not_without_end():
    ours = {f"w{n}": torch.zeros(2) for n in range(5)} | {"same": torch.zeros(1)}
    kept = {"same": torch.zeros(1), "old": torch.zeros(1)}
    assert keys_that_differ(kept, ours) == ["it lacks w0, w1, w2 and 2 more", "only it has old"]
    assert keys_that_differ(ours, ours) == []
