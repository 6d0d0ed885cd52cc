"""When drills that count pass, and what they say was lost."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import yaml
from prefect.client.schemas.objects import State, StateType

from tests.drills.clock import HOUR, next_night, no_night_registers, what_was_lost
from tests.drills.mlflow_away import not_once
from tests.drills.nights import A_NIGHT, AT_MOST, GLANCES, grown, least
from tests.drills.stack import after as states_after
from tests.drills.stack import at_once, seconds
from tests.drills.undisturbed import metrics_that_differ
from tests.workspace import REPOSITORY

BEFORE = {
    "rows prefect.events": 900,
    "rows mlflow.runs": 3,
    "bytes postgres": 60_000_000,
    "bytes data/logs": 50_000,
    "files workspace": 80,
    "processes": 14,
}
WAL = "bytes postgres, log ahead"


def after(nights: int, **more: float) -> list[tuple[dict[str, int], dict[str, int]]]:
    """Return counts before and after such nights, which add so much each."""
    added = {name.replace("__", " ").replace("_of_", "."): one for name, one in more.items()}
    counts = [
        {name: int(count + night * added.get(name, 0)) for name, count in BEFORE.items()} for night in range(nights + 1)
    ]
    return [*pairwise(counts)]


def test_what_a_nights_own_run_adds_may_be_added_and_is_told():
    found = grown(after(8, rows__prefect_of_events=36, bytes__postgres=400_000))
    assert found["grows"] == {}
    assert found["adds"] == {"bytes postgres": 400_000, "rows prefect.events": 36}


@pytest.mark.parametrize(
    ("name", "adds"),
    [
        ("rows__prefect_of_events", 73), ("rows__mlflow_of_runs", 1), ("bytes__postgres", 2_000_000), ("files__workspace", 0.5), ("processes", 1),
    ],
)  # fmt: skip
def test_more_rows_bytes_files_or_processes_than_that_grow(name, adds):
    assert list(grown(after(8, **{name: adds}))["grows"]) == [name.replace("__", " ").replace("_of_", ".")]


def test_a_table_that_was_not_there_before_grows():
    counts = after(4)
    counts[-1][1]["rows prefect.new"] = 4
    assert grown(counts)["grows"] == {"rows prefect.new": 1.0}


def test_the_log_ahead_comes_and_goes_below_its_bound():
    below, above = after(4), after(4)
    for night, (_, one) in enumerate(below):
        one[WAL] = 16 * 2**20 * (1 + night)
    assert grown(below)["grows"] == {}
    above[2][1][WAL] = AT_MOST[WAL] + 1
    assert grown(above)["grows"] == {WAL: AT_MOST[WAL] + 1}


def test_of_what_comes_and_goes_by_the_second_the_least_is_counted():
    processes = iter([14, 15, *[14] * GLANCES])
    files = iter([2] * GLANCES)
    assert least(lambda: {"processes": next(processes), "files": next(files)}, every_s=0.0) == {
        "processes": 14,
        "files": 2,
    }


def test_logs_of_a_year_of_nights_stay_below_what_is_put_aside():
    assert A_NIGHT["bytes data/logs"] * 365 < 16 * 2**20


OTHER = "runs/clip/pretrain/weights.safetensors is not as undisturbed"


@pytest.mark.parametrize(
    ("found", "lost"),
    [
        ({"forwards": {"nights": ["Completed"], "differs": []}, "back": {"differs": []}, "again": ["Completed"]}, 0),
        ({"forwards": {"nights": ["Completed"], "differs": [OTHER]}, "back": {"differs": []}, "again": ["Completed"]}, 1),
        ({"forwards": {"nights": [], "differs": []}, "back": {"differs": [OTHER]}, "again": ["Completed"]}, 2),
        ({"forwards": {"nights": ["Completed"], "differs": []}, "back": {"differs": []}, "again": ["Completed", "Completed"]}, 1),
    ],
)  # fmt: skip
def test_a_clock_that_jumps_loses_what_was_not_done_or_done_twice(found, lost):
    assert len(what_was_lost(found)) == lost


NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


def went(*steps: tuple[float, StateType]) -> list[State]:
    """Return the states of a run, each so many seconds after noon."""
    return [State(type=kind, timestamp=NOON + timedelta(seconds=at)) for at, kind in steps]


KILLED = went(
    (0, StateType.PENDING), (5, StateType.RUNNING), (100, StateType.CRASHED), (101, StateType.SCHEDULED), (140, StateType.RUNNING), (150, StateType.COMPLETED),
)  # fmt: skip


def test_two_runs_of_one_place_are_at_once_where_both_run_and_not_where_one_waits():
    between = went(
        (3, StateType.SCHEDULED), (102, StateType.PENDING), (110, StateType.RUNNING), (140, StateType.COMPLETED)
    )
    within = went((3, StateType.SCHEDULED), (60, StateType.RUNNING), (70, StateType.COMPLETED))
    assert not at_once(KILLED, between)
    assert at_once(KILLED, within)
    assert at_once(within, KILLED)


def test_what_came_after_a_kill_is_told_in_seconds_of_which_a_part_counts_whole():
    killed = NOON + timedelta(seconds=9.5)
    crashed, again, *_ = states_after(KILLED, killed)
    assert (crashed.type, again.type) == (StateType.CRASHED, StateType.SCHEDULED)
    assert (seconds(killed, crashed), seconds(NOON, again)) == (91, 101)


def test_a_metric_that_is_another_or_missing_differs_and_all_do_where_nothing_was_measured():
    ours = {"recall": 0.5, "only ours": 1.0, "same": 0.25}
    assert metrics_that_differ(ours, {"recall": 0.75, "same": 0.25, "only theirs": None}) == [
        "only ours",
        "only theirs",
        "recall",
    ]
    assert metrics_that_differ(ours, ours) == []
    assert metrics_that_differ({}, {}) == ["every metric"]


def test_a_step_that_was_not_delivered_or_twice_is_told_and_what_nobody_asked_for_is_not():
    wanted = [(step, "train.loss", 0.5) for step in (1, 2, 3)]
    found = Counter({(1, "train.loss"): 1, (2, "train.loss"): 2, (1, "val.recall"): 9})
    assert not_once(wanted, found) == ["train.loss has step 2 2 times", "train.loss has step 3 0 times"]


@pytest.mark.parametrize(
    ("now", "night"),
    [
        (datetime(2026, 11, 29, 1, 59, tzinfo=UTC), datetime(2026, 11, 29, 2, tzinfo=UTC)),
        (datetime(2026, 11, 29, 2, 0, tzinfo=UTC), datetime(2026, 11, 30, 2, tzinfo=UTC)),
        (datetime(2026, 11, 30, 23, tzinfo=UTC), datetime(2026, 12, 1, 2, tzinfo=UTC)),
    ],
)
def test_a_clock_jumps_over_the_hour_of_one_night_alone(now, night):
    assert next_night(now) == night


def test_the_night_of_a_clock_that_jumps_ends_before_it_would_register(tmp_path):
    (tmp_path / "prefect.yaml").write_text((REPOSITORY / "prefect.yaml").read_text())
    no_night_registers(tmp_path / "prefect.yaml")
    before, after = (yaml.safe_load((root / "prefect.yaml").read_text()) for root in (REPOSITORY, tmp_path))
    changed = [
        (one, other) for one, other in zip(before["deployments"], after["deployments"], strict=True) if one != other
    ]
    ((one, other),) = changed
    assert other == one | {"parameters": {"recipe": "clip", "until": "package"}}
    assert one["name"] == "nightly"
    assert one["schedules"][0]["cron"] == f"0 {HOUR} * * *"
