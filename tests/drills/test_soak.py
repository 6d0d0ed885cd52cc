"""What the soak counts, and when it passes."""

import random
from collections import Counter

import psutil
import pytest

from tests.drills.soak import TRIES, drawn, verdict


def gone() -> None:
    raise ProcessLookupError


def ended() -> None:
    raise psutil.NoSuchProcess(1)


def test_a_fault_that_met_no_process_is_drawn_again_and_counted_apart():
    done: list[str] = []
    kinds = {"stage killed": gone, "worker killed": ended, "s3 silent": lambda: done.append("s3 silent")}
    chance, missed, made = random.Random(0), Counter[str](), Counter[str]()
    for _ in range(20):
        made[str(drawn(kinds, chance, missed))] += 1
    assert made == {"s3 silent": 20}
    assert len(done) == 20
    assert set(missed) == {"stage killed", "worker killed"}


def test_where_no_fault_meets_anything_it_is_said_and_not_tried_for_ever():
    missed = Counter[str]()
    assert drawn({"stage killed": gone, "worker killed": ended}, random.Random(0), missed) is None
    assert missed.total() == TRIES


def test_what_goes_wrong_in_another_way_is_not_taken_for_a_process_that_ended():
    def refused() -> None:
        raise PermissionError

    with pytest.raises(PermissionError):
        drawn({"disk full": refused}, random.Random(0), Counter())


WELL = {
    "faults": {"s3 silent": 12, "stage killed": 8}, "fault_count": 20, "while_no_run_was_under_way": 2, "answered": 900, "lost": 0, "wrong": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("said", "faults", "passes"),
    [
        (WELL, 20, True),
        (WELL, 21, False),
        (WELL | {"faults": {"s3 silent": 12}}, 20, False),
        (WELL | {"lost": 1}, 20, False),
        (WELL | {"while_no_run_was_under_way": 3}, 20, False),
        (WELL | {"wrong": 1}, 20, False),
        (WELL | {"answered": 0}, 20, False),
        (WELL | {"fault": "TimeoutError: not well"}, 20, False),
    ],
)
def test_it_passes_where_all_faults_were_done_and_nothing_was_lost_or_wrong(said, faults, passes):
    assert verdict(said, faults) is passes
