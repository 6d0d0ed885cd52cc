"""The mean of the weights: of two steps by hand, what is watched, what is left, and over a resume."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from components.contracts.errors import Interrupted
from components.training.ema import Averaged
from tests.components.training.test_train import NUMBERS, run, weights

EMA = replace(NUMBERS, ema=0.5)


class Stand:
    """What the callback looks at of a trainer or a module."""

    skipped = False
    global_step = 0


def test_two_steps_by_hand():
    model, stand = nn.Linear(1, 1, bias=False), Stand()
    nn.init.constant_(model.weight, 1.0)
    averaged = Averaged(model, decay=0.5)
    averaged.on_train_start(stand, stand)
    for step, weight in ((1, 2.0), (100, 4.0)):
        nn.init.constant_(model.weight, weight)
        stand.global_step = step
        averaged.on_train_batch_end(stand, stand)
    first = 2 / 11 * 1.0 + 9 / 11 * 2.0  # early steps count less: (1 + 1) / (10 + 1)
    assert averaged.mean["weight"].item() == pytest.approx((first + 4.0) / 2)
    with averaged.in_place():
        assert model.weight.item() == pytest.approx((first + 4.0) / 2)
    assert model.weight.item() == 4.0
    stand.skipped = True
    nn.init.constant_(model.weight, 100.0)
    averaged.on_train_batch_end(stand, stand)
    assert averaged.mean["weight"].item() == pytest.approx((first + 4.0) / 2)


def test_the_mean_is_watched_and_left_while_training_goes_by_the_weights(method, batches, tmp_path):
    plain, folder = copy.deepcopy(method), tmp_path / "plain"
    folder.mkdir()
    with_mean = run(method, batches, tmp_path, numbers=EMA).curves.splitlines()
    without = run(plain, batches, folder).curves.splitlines()
    header = with_mean[0].split(",")
    loss, watched = header.index("train.loss"), header.index("val.weight")
    assert [row.split(",")[loss] for row in with_mean] == [row.split(",")[loss] for row in without]
    last = float(with_mean[-1].split(",")[watched])
    assert last != float(without[-1].split(",")[watched])
    assert last == float(next(method.model.parameters()).detach().sum()), "what was watched last is what is left"


def test_a_run_cut_off_ends_with_the_same_mean(method, batches, tmp_path):
    started, again, cut = copy.deepcopy(method), copy.deepcopy(method), tmp_path / "cut"
    whole = run(method, batches, tmp_path, numbers=EMA)
    cut.mkdir()
    with pytest.raises(Interrupted):
        run(started, batches, cut, stop_at=7, numbers=EMA)
    assert run(again, batches, cut, numbers=EMA).curves == whole.curves
    assert torch.equal(weights(again), weights(method))
