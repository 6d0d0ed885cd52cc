"""What speaks against a canary: its failures, its seconds, the scores of its best answers; and what shows nothing."""

import math
from dataclasses import replace

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from components.contracts.deploying import Deploying
from components.contracts.errors import ConfigError
from components.serving.canary import Counts, Judged, counted, furthest, slower
from components.serving.gateway import metrics

RULES = Deploying()


SPREAD = 0.1  # standard deviation of the seconds, of their mean


def took(*seconds):
    """Counts of a version whose answers took so long."""
    return Counts(
        answered=len(seconds),
        timed=len(seconds),
        seconds=sum(seconds),
        squares=sum(its**2 for its in seconds),
    )


def counts(answered=100, failed=0, mean_ms=5.0, low=0.0):
    """Counts of a version whose best answers score 0.3, but for a share `low` that scores 0.1."""
    bins = {0.1: low * answered, 0.3: answered, float("inf"): answered}
    return Counts(
        answered=answered,
        failed=failed,
        seconds=(answered + failed) * mean_ms / 1000,
        timed=answered + failed,
        squares=(answered + failed) * (1 + SPREAD**2) * (mean_ms / 1000) ** 2,
        scores={"search": bins},
    )


def fault(*looks, rules=RULES, same_space=True):
    """What is said of the looks, a pair of counts each, of the canary and of what is served, which come one after the other."""
    judged, said, sums = Judged("new@1", rules, {}), None, [Counts(), Counts()]
    for look in looks:
        sums = [plus(*pair) for pair in zip(sums, look, strict=True)]
        said = said or judged.fault(dict(zip(("new@1", "old@1"), sums, strict=True)), "old@1", same_space)
    return said


def plus(one, other):
    scores = {
        route: {at: one.scores.get(route, {}).get(at, 0) + its for at, its in bins.items()}
        for route, bins in other.scores.items()
    }
    return Counts(
        scores=scores,
        **{name: getattr(one, name) + getattr(other, name) for name in ("answered", "failed", "seconds", "squares", "timed")},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("canary", "says"),
    [
        (counts(), None),
        (counts(answered=3, failed=1), None),  # one may be anybody's bad luck
        (counts(answered=3, failed=2), None),  # and two are too few to tell
        (counts(answered=3, failed=3), "3 of 6 requests to it failed, and 0 of 100"),
        (counts(answered=0, failed=2), "2 of 2"),
        (counts(mean_ms=14.0), None),
        (counts(low=0.5), None),
        (counts(low=0.7), "0.70 apart"),
        (counts(answered=10, mean_ms=500.0, low=1.0), None),  # too few to compare
        (Counts(), None),
    ],
)
def test_what_speaks_against_it(canary, says):
    found = fault((canary, counts()))
    assert (found is None) if says is None else (says in found)


def test_failures_that_the_other_has_too_do_not_speak_against_it():
    assert fault((counts(failed=5), counts(failed=5))) is None
    assert fault((counts(failed=5), counts(failed=1))) is None, "which may be chance"
    assert fault((counts(failed=20), counts(failed=1))) is not None


def test_it_is_slower_by_its_mean_and_where_that_is_no_chance():
    served = took(*[0.0025] * 200)
    assert slower(took(*[0.0025] * 19, 0.5), served, RULES) is None, "one was held up"
    assert slower(took(*[0.0025] * 12, *[0.03] * 8), served, RULES) is None, "some were, at once"
    assert "4.8 times" in slower(took(*[0.012] * 19, 0.0128), served, RULES)
    assert "10.2 times" in slower(took(*[0.0025] * 900, *[0.2333] * 100), served, RULES), "a tenth is, always"
    assert slower(took(*[0.04] * 20), took(*[0.0025] * 19, 0.2), RULES) is None, "the other was held up"
    assert slower(took(*[0.016] * 100), took(*[0.005] * 100), RULES) is not None
    assert slower(took(0.5), took(0.0025), RULES) is None, "one answer says nothing of others"


def test_seconds_speak_against_it_where_the_answers_behind_a_pause_are_as_slow():
    served, slow, well = took(*[0.0025] * 200), took(*[0.012] * 19, 0.0128), took(*[0.0025] * 40)
    paused = took(*[0.0025] * 13, *[0.5] * 7)
    assert slower(paused, served, RULES) is not None, "seven that one pause held up look like no chance"
    assert fault((slow, served)) is None
    assert "4.8 times" in fault((slow, served), (slow, served))
    assert fault((paused, served), (well, served)) is None
    assert fault((paused, served), (well, served), (slow, served), (well, served)) is None
    assert fault((slow, served), (took(0.012, 0.0121), served)) is None, "two are too few to tell"
    assert fault((slow, served), (took(0.012, 0.0121), served), (slow, served)) is not None


def test_a_suspicion_stands_until_there_is_enough_to_tell():
    judged, served, slow = Judged("new@1", RULES, {}), took(*[0.0025] * 200), took(*[0.012] * 19, 0.0128)
    assert judged.fault({"new@1": slow, "old@1": served}, "old@1", True) is None
    assert "4.8 times" in judged.suspicion
    few = {"new@1": plus(slow, took(*[0.0025] * 5)), "old@1": plus(served, served)}
    assert judged.fault(few, "old@1", True) is None
    assert judged.suspicion is not None
    enough = {"new@1": plus(slow, took(*[0.0025] * 20)), "old@1": plus(served, served)}
    assert judged.fault(enough, "old@1", True) is None
    assert judged.suspicion is None


def test_a_gateway_that_is_started_again_in_between_counts_from_nothing():
    judged = Judged("new@1", RULES, {})
    assert judged.fault({"new@1": took(*[0.02] * 30), "old@1": took(*[0.02] * 100)}, "old@1", True) is None
    now = {"new@1": took(*[0.0026] * 20), "old@1": took(*[0.0025] * 50)}
    assert judged.fault(now, "old@1", True) is None
    assert judged.counts(now).asked == 20
    now = {"new@1": took(*[0.0026] * 40), "old@1": took(*[0.0025] * 150)}
    assert judged.fault(now, "old@1", True) is None, "and though it has counted more by now than the one before"
    assert judged.suspicion is None


def test_a_gateway_that_has_counted_more_by_the_next_look_is_told_by_when_it_began():
    def looked(began, **seconds):
        return {f"{name}@1": replace(took(*its), began=began) for name, its in seconds.items()}

    judged = Judged("new@1", RULES, looked(1.0, old=[0.02] * 30))
    assert judged.fault(looked(1.0, new=[0.02] * 30, old=[0.02] * 60), "old@1", True) is None
    now = looked(2.0, new=[0.0026] * 40, old=[0.0025] * 90)
    assert judged.fault(now, "old@1", True) is None
    assert judged.counts(now) == now["new@1"]
    assert now["old@1"].since(looked(1.0, old=[0.02] * 60)["old@1"]) == now["old@1"]


def test_what_the_other_did_before_its_first_request_is_not_held_against_it():
    """Such as answers of another kind: in the gateway's own process, until it knew of the canary."""
    quick, usual = took(*[0.0005] * 1000), took(*[0.0025] * 50)
    assert slower(usual, plus(quick, usual), RULES) is not None, "else it would be"
    assert fault((Counts(), quick), (usual, usual), (usual, usual)) is None
    judged = Judged("new@1", RULES, {})
    judged.fault({"old@1": quick}, "old@1", True)
    assert judged.counts({"new@1": usual, "old@1": plus(quick, usual)}).asked == 50


def test_scores_of_two_spaces_have_no_common_scale():
    assert fault((counts(low=1.0), counts()), same_space=False) is None
    assert "apart" in fault((counts(low=1.0), counts()))


def test_the_error_of_a_mean_is_that_of_a_sample():
    assert took(1.0, 2.0, 3.0, 6.0).error_s == pytest.approx(np.std([1, 2, 3, 6], ddof=1) / 2)
    assert took(0.1, 0.1, 0.1).error_s == pytest.approx(0, abs=1e-9)
    assert took(0.1).error_s == took().error_s == math.inf
    torn = Counts(answered=20, timed=20, seconds=20 * 0.0025 + 0.5, squares=19 * 0.0025**2)
    assert torn.error_s == math.inf, "seconds that were read behind squares say nothing"


def test_what_the_gateway_counts_is_what_is_read_and_only_what_came_since(monkeypatch):
    registry = CollectorRegistry()
    asked = Counter(metrics.VERSIONS._name, "-", ["version", "outcome"], registry=registry)
    seconds = Histogram(metrics.VERSION_SECONDS._name, "-", ["version"], registry=registry)
    Gauge(metrics.START._name, "-", registry=registry).set(7.5)
    squares = Counter(metrics.VERSION_SQUARES._name, "-", ["version"], registry=registry)
    scores = Histogram(metrics.SCORES._name, "-", ["version", "route"], registry=registry, buckets=(0.1, 0.3))

    def one(outcome="answered", score=0.2):
        asked.labels("a@1", outcome).inc()
        if outcome != "refused":
            seconds.labels("a@1").observe(0.5)
            squares.labels("a@1").inc(0.25)
        if outcome == "answered":
            scores.labels("a@1", "search").observe(score)

    one()
    before = counted(generate_latest(registry).decode())["a@1"]
    one(score=0.05)
    one("failed")
    one("refused")
    one("given up")
    now = counted(generate_latest(registry).decode())["a@1"].since(before)
    assert (now.answered, now.failed, now.asked, now.began) == (1, 1, 2, 7.5)
    assert (now.timed, now.seconds, now.squares) == (3, 1.5, 0.75)
    assert (now.mean_s, now.error_s) == (0.5, 0)
    assert now.scores == {"search": {0.1: 1.0, 0.3: 1.0, float("inf"): 1.0}}


def test_a_gateway_that_was_started_again_begins_at_nothing():
    assert counts(answered=7).since(counts(answered=100)) == counts(answered=7)


def test_the_distance_is_kolmogorovs_and_smirnovs():
    inf = float("inf")
    assert furthest({0.1: 5, 0.2: 10, inf: 20}, {0.1: 0, 0.2: 15, inf: 20}, 20) == 0.25
    assert furthest({0.1: 5, inf: 20}, {0.1: 5, inf: 19}, 20) is None
    assert furthest({}, {}, 1) is None


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"canary": (0.25, 0.05)}, "shares that rise"),
        ({"canary": (0.0, 0.5)}, "above 0"),
        ({"canary": (0.5, 1.0)}, "below 1"),
        ({"step_s": -1.0}, r"deploy\.step_s is -1"),
        ({"drift": 1.5}, r"deploy\.drift is 1\.5"),
        ({"times_slower": 0.5}, r"deploy\.times_slower is 0\.5"),
        ({"step_s": float("nan")}, r"deploy\.step_s is nan"),
    ],
)
def test_rules_that_make_no_sense_are_refused(wrong, says):
    with pytest.raises(ConfigError, match=says):
        Deploying(**wrong)
