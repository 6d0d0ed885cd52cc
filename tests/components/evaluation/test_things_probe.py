"""Probe of several things: what a head was told on `val` it knows of other pictures, and scikit-learn counts the same."""

import numpy as np
import pytest
from sklearn.metrics import label_ranking_average_precision_score

from components.contracts.errors import ConfigError
from components.evaluation.probe import logistic
from components.evaluation.things_probe import ThingsProbe
from tests.placed import pool_of, region
from tests.subjects import Told, subject_of

NAMES = ("cat", "cow", "dog", "hen")
PICTURES = 120


@pytest.fixture(scope="module")
def drawn() -> np.ndarray:
    """Which picture has which of four things: one to three each."""
    has = np.random.default_rng(0).random((PICTURES, 4)) < 0.4
    has[np.arange(PICTURES), np.arange(PICTURES) % 4] = True
    has[has.all(1), 0] = False
    return has


def measured(has: np.ndarray, noise: float, **settings):
    pool = pool_of(*([region(NAMES[at], (0, 0, 4, 4)) for at in np.flatnonzero(row)] for row in has))
    draw = np.random.default_rng(1)
    seen, blind = has + draw.normal(0, noise, has.shape), draw.normal(0, 1, has.shape)
    told, untold = (Told(dict(zip(pool.pictures, rows.tolist(), strict=True)), {}) for rows in (seen, blind))
    splits = {"train": [0], "val": range(60), "pair": range(60, PICTURES)}
    return ThingsProbe(**settings).measure(subject_of(pool, told, untold, splits)), seen.astype(np.float32)


def test_what_the_features_say_is_found_and_what_is_drawn_is_not(drawn):
    (metric,) = measured(drawn, 0.05)[0].metrics
    assert metric.name == "things_probe.pair.things.mean_average_precision"
    assert (metric.value, metric.n) == (1.0, 60)
    assert abs(metric.baseline - metric.chance) < 0.12


def test_it_is_what_scikit_learn_counts(drawn):
    found, seen = measured(drawn, 0.6, penalty=1.0)
    (metric,) = found.metrics
    everything = np.ones(60, np.bool_)
    scores = np.stack(
        [logistic(seen[:60], own, everything, 1.0).decision_function(seen[60:]) for own in drawn[:60].T], 1
    )
    assert metric.value == pytest.approx(label_ranking_average_precision_score(drawn[60:], scores), abs=1e-6)
    assert metric.low < metric.value < metric.high < 1
    rows = found.rows["things_probe.pair.things"]
    assert np.mean(rows["precision"].to_pylist()) == pytest.approx(metric.value)


def test_chance_is_what_drawn_scores_get(drawn):
    (metric,) = measured(drawn, 0.05)[0].metrics
    draw = np.random.default_rng(2)
    guessed = [label_ranking_average_precision_score(drawn[60:], draw.random((60, 4))) for _ in range(100)]
    assert metric.chance == pytest.approx(np.mean(guessed), abs=0.015)


def test_where_nothing_can_be_told_it_says_why(drawn):
    found, _ = measured(np.tile([True, False, False, False], (PICTURES, 1)), 0.1)
    assert found.without == {
        "things_probe.things": "pictures of val have fewer than two things that some have and others have not"
    }
    told = Told({}, {})
    found = ThingsProbe().measure(subject_of(pool_of([], []), told, told, {"train": [0], "pair": [1]}))
    assert found.without == {"things_probe.things": "there is no split val to fit on"}


def test_a_penalty_that_is_none_is_refused():
    with pytest.raises(ConfigError, match="penalty is 0"):
        ThingsProbe(penalty=0.0)
