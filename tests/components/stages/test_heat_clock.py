"""What a heat took is known over the processes that ran it, up to the checkpoint from which each went on."""

import pytest

from components.contracts.errors import Interrupted
from components.contracts.progress import silent
from components.stages.heat_clock import SECONDS, HeatClock


def clock_of(folder, at, progress=silent, every=50):
    """A clock of one process, whose time is `at[0]`."""
    return HeatClock(folder, every, progress, now=lambda: at[0])


def steps(clock, at, first, last, second=1.0):
    for step in range(first, last + 1):
        at[0] += second
        clock("training", step, 200)


def test_a_process_that_was_killed_counts_up_to_its_last_checkpoint(tmp_path):
    at = [100.0]
    steps(clock_of(tmp_path, at), at, 1, 120)
    at[0] = 9_000.0  # long after
    again = clock_of(tmp_path, at)
    assert again.seconds == 0.0, "nobody knows yet where it goes on"
    at[0] += 3.0
    again("reading pictures", 1, 1)
    steps(again, at, 101, 150)
    assert again.seconds == 100 + 3 + 50
    third = clock_of(tmp_path, at)
    steps(third, at, 51, 51)  # the newest checkpoint was damaged
    assert third.seconds == 50 + 1
    assert clock_of(tmp_path / "of another heat", at).seconds == 0.0


def test_one_that_was_asked_to_go_counts_up_to_where_it_went(tmp_path):
    at = [0.0]

    def told(doing, done, total, **seen):
        if done == 7:
            raise Interrupted("a signal came")

    with pytest.raises(Interrupted):
        steps(clock_of(tmp_path, at, told), at, 1, 7, second=2.0)
    again = clock_of(tmp_path, at)
    steps(again, at, 8, 8)
    assert again.seconds == 14 + 1
    assert [path.name for path in tmp_path.iterdir()] == [SECONDS], "nothing half done"


def test_what_is_told_is_handed_on(tmp_path):
    heard = []
    clock = clock_of(tmp_path, [0.0], lambda *said, **seen: heard.append((said, seen)))
    clock("training", 1, 2, loss=0.5)
    clock("weighing", 2, 3)
    assert heard == [(("training", 1, 2), {"loss": 0.5}), (("weighing", 2, 3), {})]
