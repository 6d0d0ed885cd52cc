"""What a training took, where it can be worked out by hand."""

import copy
import time

import pytest
import torch
from torch import nn

from components.contracts.batch import Batch
from components.contracts.errors import ConfigError
from components.contracts.method import Clock, Losses, Method
from components.contracts.progress import silent
from components.training.receipts import PRICE, WATTS, Measuring
from components.training.train import train
from tests.components.training.test_train import NUMBERS, SCALE, run


class OneProduct(Method):
    """One linear map of pixels: its operations are known."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Linear(3 * 24 * 24, 4, bias=False)

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        return Losses(terms={"far": self.model(batch.images["main"].pixels.flatten(1)).square().mean()})


@pytest.fixture
def measured(batches, tmp_path, monkeypatch):
    monkeypatch.setenv(PRICE, "3600")  # one a second
    monkeypatch.setenv(WATTS, "3600")  # a watt-hour a second
    told: dict[str, list[int]] = {}

    def log(step: int, values) -> None:
        for name in values:
            told.setdefault(name, []).append(step)

    trained = train(
        OneProduct(), batches, NUMBERS, SCALE, seed=3, folder=tmp_path, progress=silent, log=log, watch=lambda model: {}
    )
    return trained, told


def test_operations_are_those_of_the_products(measured):
    assert measured[0].receipt.flops_per_step == 2 * (2 * 8 * 1728 * 4), "rows @ weight, and the gradient of the weight"


def test_use_of_the_chip_memory_energy_and_cost_follow(measured):
    receipt = measured[0].receipt
    assert receipt.mfu is not None
    assert 0 < receipt.mfu < 1
    assert receipt.cost == pytest.approx(receipt.seconds)
    assert receipt.kwh == pytest.approx(receipt.seconds / 1000)
    assert 0 < receipt.cpu_s < time.process_time()
    assert receipt.peak_memory_bytes > 50e6, "torch alone is more"
    assert measured[0].timing()["mfu"] == receipt.mfu


def test_speed_is_told_as_it_goes_and_stands_in_no_curve(measured):
    trained, told = measured
    assert told["speed.samples_per_s"] == told["speed.data_wait"] == list(range(1, 13))
    assert "speed" not in trained.curves


def test_nothing_is_said_to_cost_where_nobody_says_a_price(batches, method, tmp_path, monkeypatch):
    monkeypatch.delenv(PRICE, raising=False)
    monkeypatch.delenv(WATTS, raising=False)
    receipt = run(method, batches, tmp_path).receipt
    assert (receipt.cost, receipt.kwh) == (None, None)
    assert receipt.flops_per_step > 1e6


@pytest.mark.parametrize("said", ["cheap", "-1", "inf", "nan"])
def test_a_price_that_is_none_is_refused(said, monkeypatch):
    monkeypatch.setenv(PRICE, said)
    with pytest.raises(ConfigError, match=rf"{PRICE} is '{said}', but must be a number"):
        Measuring()


def test_a_step_that_fails_leaves_no_counter_behind(batches, method, tmp_path):
    broken = copy.deepcopy(method)

    def fail(batch: Batch, clock: Clock) -> Losses:
        raise KeyError("in the first step")

    broken.losses = fail
    with pytest.raises(KeyError):
        run(broken, batches, tmp_path)
    assert torch.utils._python_dispatch._len_torch_dispatch_stack() == 0
