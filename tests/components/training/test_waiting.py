"""The share of the time that is waited for data: by a clock in the hand, and what is done about it in real trainings."""

import copy
from types import SimpleNamespace

import pytest
import torch

from components.contracts.errors import CapabilityError
from components.contracts.progress import silent
from components.training import telling as module
from components.training.numbers import Guards
from components.training.telling import Telling
from components.training.train import train
from tests.components.training.test_train import NUMBERS, SCALE

ALWAYS, NEVER = Guards(most_waiting=0.0, patience=3), Guards(most_waiting=1.0, patience=3)


class Hand:
    """A clock that is set by hand, in seconds."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def perf_counter(self) -> float:
        return self.now_s


def at(step: int) -> SimpleNamespace:
    """What `tell` asks of a trainer."""
    return SimpleNamespace(
        global_step=step, max_steps=10, lightning_module=SimpleNamespace(seen=SimpleNamespace(loss=torch.tensor(2.0)))
    )


def test_the_share_is_of_the_time_between_two_looks(monkeypatch):
    hand, told, heard = Hand(), [], []
    monkeypatch.setattr(module, "time", hand)
    telling = Telling(
        lambda *said, **seen: heard.append((said, seen)),
        8,
        every=2,
        log=lambda step, values: told.append((step, values)),
    )
    telling.begin()
    for step, (wait_s, work_s) in enumerate(((1.0, 1.0), (1.0, 3.0), (0.0, 1.0), (1.0, 2.0)), start=1):
        hand.now_s += wait_s
        telling.step_begins()
        hand.now_s += work_s
        telling.tell(at(step))
    assert told == [
        (2, {"speed.samples_per_s": pytest.approx(16 / 6), "speed.data_wait": pytest.approx(2 / 6)}),
        (4, {"speed.samples_per_s": pytest.approx(16 / 4), "speed.data_wait": pytest.approx(1 / 4)}),
    ]
    assert telling.waiting == pytest.approx(1 / 4)
    assert telling.data_wait == pytest.approx(3 / 10), "of all of it"
    assert heard[-1] == (("training", 4, 10), {"loss": 2.0, "samples_per_s": pytest.approx(32 / 10)})


def test_where_training_goes_back_the_clock_goes_on_and_that_is_no_wait(monkeypatch):
    hand, told = Hand(), []
    monkeypatch.setattr(module, "time", hand)
    telling = Telling(silent, 8, every=1, log=lambda step, values: told.append(values["speed.data_wait"]))
    for _ in range(2):
        telling.begin()
        hand.now_s += 1.0
        telling.step_begins()
        hand.now_s += 3.0
        telling.tell(at(1))
        hand.now_s += 2.0  # to read the checkpoint
    assert told == [pytest.approx(1 / 4)] * 2
    assert telling.samples_per_s == pytest.approx(16 / 10)
    assert telling.data_wait == pytest.approx(2 / 10)


def guarded(method, batches, folder, guards: Guards):
    told: list[int] = []

    def log(step: int, values) -> None:
        told.extend(step for name in values if name == "guard.starved")

    folder.mkdir()
    trained = train(
        method,
        batches,
        NUMBERS,
        SCALE,
        seed=3,
        folder=folder,
        progress=silent,
        log=log,
        watch=lambda model: {},
        guards=guards,
    )
    return trained, told


def test_waiting_too_long_is_told_once_and_changes_no_curve(method, batches, tmp_path, capsys):
    starved, told = guarded(copy.deepcopy(method), batches, tmp_path / "starved", ALWAYS)
    said = capsys.readouterr().out
    assert said.count("of the time is spent waiting for data, for 3 looks, one every 1 steps") == 1
    assert said.endswith("; set workers higher in the scale\n")
    fed, never = guarded(method, batches, tmp_path / "fed", NEVER)
    assert "waiting for data" not in capsys.readouterr().out
    assert (len(told), never) == (1, [])
    assert starved.curves == fed.curves


def test_waiting_too_long_stops_where_the_policy_says_so(method, batches, tmp_path):
    with pytest.raises(
        CapabilityError, match=r"waiting for data, for 3 looks.*, at step \d+\. Set workers higher in the scale"
    ):
        guarded(method, batches, tmp_path / "stopped", Guards(most_waiting=0.0, patience=3, starved="stop"))
