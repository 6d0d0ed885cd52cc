"""Rates that can be worked out by hand."""

import math

import pytest
import torch

from components.contracts.errors import ConfigError
from components.training.numbers import Optimisation
from components.training.schedules import schedule_of, share_at


def shares(total: int = 10, **numbers) -> list[float]:
    optimisation = Optimisation(lr=2.0, weight_decay=0.0, **numbers)
    return [share_at(step, optimisation, int(optimisation.warmup * total), total) for step in range(total + 1)]


def test_the_warm_up_is_a_line_and_every_schedule_has_it():
    for schedule in ("cosine", "wsd", "constant"):
        assert shares(warmup=0.4, schedule=schedule)[:4] == [0.25, 0.5, 0.75, 1.0]


def test_a_cosine_is_half_way_down_in_the_middle_and_at_its_floor_at_the_end():
    given = shares(warmup=0.0)
    assert given[0] == 1.0
    assert given[5] == pytest.approx(0.5)
    assert given[10] == pytest.approx(0.0)
    assert shares(warmup=0.0, floor=0.1)[5] == pytest.approx(0.55)
    assert shares(warmup=0.0, floor=0.1)[10] == pytest.approx(0.1)


def test_wsd_is_stable_and_comes_down_at_the_end():
    given = shares(warmup=0.2, schedule="wsd", cooldown=0.4)
    assert given[2:7] == [1.0] * 5
    assert given[7] == pytest.approx(1 - math.sqrt(1 / 4))
    assert given[10] == 0.0


def test_constant_stays():
    assert set(shares(warmup=0.0, schedule="constant", floor=0.5)) == {1.0}


def test_the_optimizer_follows():
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=2.0)
    schedule = schedule_of(optimizer, Optimisation(lr=2.0, weight_decay=0.0, warmup=0.5), 4)
    seen = []
    for _ in range(4):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert seen == pytest.approx([1.0, 2.0, 2.0, 1.0])


def test_a_warm_up_and_a_cooldown_that_overlap_are_refused():
    with pytest.raises(ConfigError, match=r"warmup is 0\.5 and cooldown 0\.6, but wsd .*1 or less together"):
        Optimisation(lr=1.0, weight_decay=0.0, schedule="wsd", warmup=0.5, cooldown=0.6)
    assert shares(warmup=0.4, schedule="wsd", cooldown=0.6)[3:5] == [1.0, 1.0]
    assert shares(warmup=0.5, schedule="cosine", cooldown=0.6)[4] == 1.0, "which has none"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("warmup", 1.0),
        ("warmup", -0.01),
        ("warmup", 10),
        ("cooldown", 0.0),
        ("floor", 1.5),
        ("layer_decay", 0.0),
        ("ema", 1.0),
    ],
)
def test_what_is_no_such_share_is_refused(name, value):
    with pytest.raises(ConfigError, match=rf"{name} is {value}, but it is a share"):
        Optimisation(lr=1.0, weight_decay=0.0, **{name: value})
