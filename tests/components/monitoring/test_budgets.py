"""Budgets from counts and from the log, by hand."""

from dataclasses import replace
from math import inf

import pyarrow as pa
import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from components.contracts.monitor import Watch
from components.monitoring.budgets import Counts, budgets, over_time
from components.monitoring.requests import Requests
from components.serving.gateway.metrics import START, exposition
from components.serving.gateway.samples import SCHEMA
from tests.components.monitoring.conftest import NOW

WATCH = Watch(p95_ms=100, most_failed=0.01)
NOTHING = Requests(table=SCHEMA.empty_table())


def counted(requests: int, failed: int, slow: int = 0) -> Counts:
    return Counts(
        requests=requests, failed=failed, within={0.05: 0, 0.1: requests - slow, 1.0: requests, inf: requests}
    )


@pytest.mark.parametrize(
    ("counts", "held"),
    [
        (counted(1000, 0), ("kept", "kept")), (counted(1000, 10), ("kept", "kept")), (counted(1000, 40), ("broken", "kept")),
        (counted(20, 1), ("cannot tell", "cannot tell")), (counted(20, 20), ("broken", "cannot tell")), (counted(1000, 0, 90), ("kept", "broken")),
        (counted(1000, 0, 50), ("kept", "kept")),
    ],
)  # fmt: skip
def test_a_budget_is_broken_where_it_is_shown_and_kept_where_enough_was_seen(counts, held):
    assert tuple(one.held for one in budgets(counts, NOTHING, WATCH)) == held


def test_nothing_at_all_cannot_be_told():
    errors, latency = budgets(None, NOTHING, WATCH)
    assert (errors.value, latency.value, errors.held, errors.source) == (None, None, "cannot tell", "log")
    assert "100 more are needed" in errors.says


def test_counts_are_read_as_the_gateway_writes_them():
    registry = CollectorRegistry()
    asked = Counter("diptych_requests_total", "x", ["route", "status"], registry=registry)
    took = Histogram("diptych_request_seconds", "x", ["route"], buckets=(0.01, 0.1, 1), registry=registry)
    for route, status, seconds in (
        ("/v1/search", 200, 0.005), ("/v1/search", 500, 0.5), ("/v1/embeddings", 404, 0.05), ("/metrics", 200, 3), ("none", 503, 0), ("none", 401, 0),
    ):  # fmt: skip
        asked.labels(route, str(status)).inc()
        took.labels(route).observe(seconds)
    counts = Counts.read(generate_latest(registry).decode())
    assert (counts.requests, counts.failed) == (4, 2)  # who was turned away as too many is one of them
    assert dict(counts.within) == {0.01: 1, 0.1: 2, 1.0: 3, inf: 3}
    assert Counts.from_json(counts.as_json()) == counts


def test_what_was_counted_since_begins_anew_with_a_new_gateway():
    before, now = counted(100, 3, 2), counted(150, 4, 5)
    assert now.since(before) == Counts(requests=50, failed=1, within={0.05: 0, 0.1: 47, 1.0: 50, inf: 50})
    assert counted(20, 0).since(before) == counted(20, 0)
    assert now.since(None) == now


def test_a_new_gateway_that_has_counted_more_than_the_one_before_is_told_by_when_it_began():
    before = Counts(requests=100, within={0.1: 0, inf: 100}, began=1_000.5)
    now = Counts(requests=150, within={0.1: 150, inf: 150}, began=2_000.25)
    assert now.since(Counts.from_json(before.as_json())) == now
    assert now.since(replace(now, requests=100, within={0.1: 100, inf: 100})).requests == 50
    of_an_older_diptych = {name: its for name, its in before.as_json().items() if name != "began"}
    assert now.since(Counts.from_json(of_an_older_diptych)) == now, "whose gateway did not tell"


def test_when_a_gateway_began_is_read_as_it_writes_it():
    said = exposition().decode()
    assert Counts.read(said).began == Counts.of_version(said, "clip@1").began == START._value.get()


def test_p95_lies_between_the_bounds():
    assert Counts(within={0.1: 90, 0.2: 100, inf: 100}).p95_s() == pytest.approx(0.15)
    assert Counts(within={0.1: 10, inf: 100}).p95_s() == 0.1  # beyond the last bound nothing is known
    assert Counts().p95_s() is None


@pytest.mark.parametrize(
    ("p95_ms", "held", "over", "at_most"),
    [
        (500, "broken", 3_000, 3_000), (600, "cannot tell", 0, 3_000), (1000, "kept", 0, 0), (25_000, "kept", 0, 0), (400, "broken", 3_000, 10_000),
    ],
)  # fmt: skip
def test_between_two_bounds_of_the_counts_a_budget_is_told_only_where_both_agree(p95_ms, held, over, at_most):
    counts = Counts(requests=10_000, within={0.25: 0, 0.5: 7_000, 1.0: 10_000, inf: 10_000})
    latency = budgets(counts, NOTHING, replace(WATCH, p95_ms=p95_ms))[1]
    assert (latency.held, latency.over, latency.at_most) == (held, over, at_most)


def test_what_cannot_be_told_between_two_bounds_is_said_with_what_can():
    quick = Counts(requests=1_000, within={0.5: 0, 1.0: 1_000, inf: 1_000})  # each took 550 ms, or 950
    slow = Counts(requests=1_000, within={0.5: 900, 1.0: 900, inf: 1_000})  # a tenth took 21 s, or a minute
    said = [budgets(one, NOTHING, replace(WATCH, p95_ms=at))[1] for one, at in ((quick, 600), (slow, 25_000))]
    assert [one.held for one in said] == ["cannot tell"] * 2
    assert said[0].says == (
        "0 to 1,000 of 1,000 requests took more than 600 ms, and 5% may; to tell, give monitor.p95_ms a bound that the gateway counts by, "
        "such as 500 or 1000"
    )
    assert said[1].says.endswith("such as 1000")


def test_errors_are_told_whatever_seconds_leave_open():
    """Their share of alpha grows where those are shown."""
    counts = Counts(requests=1_000, failed=19, within={0.05: 0, 0.2: 1_000, inf: 1_000})
    errors, latency = budgets(counts, NOTHING, WATCH)
    assert WATCH.alpha / 2 < errors.p_value < WATCH.alpha
    assert (errors.held, latency.held) == ("kept", "cannot tell")


def test_who_is_turned_away_and_made_to_wait_for_it_counts_as_failed_and_not_as_slow():
    rows = [{"at": NOW, "route": "/v1/search", "status": 200, "seconds": 0.01}] * 30 + [{"at": NOW, "route": "none", "status": 503, "seconds": 0.11}] * 10  # fmt: skip
    logged = Requests(table=pa.Table.from_pylist(rows, SCHEMA), unread=())
    errors, latency = budgets(None, logged, replace(WATCH, p95_ms=100.0))
    assert (errors.requests, errors.over) == (40, 10)
    assert (latency.requests, latency.over, latency.value) == (30, 0, pytest.approx(10.0))
    away = Requests(table=logged.table.slice(30), unread=())
    assert budgets(None, away, WATCH)[1].value is None
    assert over_time([away]) == ([None], [1.0])
