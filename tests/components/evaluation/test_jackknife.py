"""Intervals of a mean are Student's, and of other statistics hold what they promise."""

import numpy as np
import pytest
from scipy.stats import t as student

from components.evaluation.jackknife import intervals


def test_of_a_mean_of_queries_of_their_own_it_is_student_s():
    """With as many blocks as queries the jackknife of a mean is its standard error, exactly."""
    values = np.random.default_rng(0).exponential(size=12)
    found = intervals(lambda places: {"mean": float(values[places].mean())}, range(12), seed=0, blocks=12)
    wanted = student.interval(0.95, 11, loc=values.mean(), scale=values.std(ddof=1) / 12**0.5)
    assert found["mean"] == pytest.approx(wanted)


def test_queries_of_one_group_are_left_out_together():
    """Four copies of each number say no more than the numbers do."""
    values = np.random.default_rng(1).normal(size=15)
    alone = intervals(lambda places: {"mean": float(values[places].mean())}, range(15), seed=0, blocks=15)
    four = np.repeat(values, 4)
    copied = intervals(lambda places: {"mean": float(four[places].mean())}, np.repeat(range(15), 4).tolist(), 0, 15)
    assert copied["mean"] == pytest.approx(alone["mean"])


def test_it_holds_the_truth_of_a_deviation_as_often_as_it_says():
    rng, held = np.random.default_rng(0), 0
    for seed in range(300):
        values = rng.normal(size=200)
        low, high = intervals(lambda places, its=values: {"std": float(its[places].std())}, range(200), seed)["std"]
        held += low <= 1 <= high
    assert 0.91 <= held / 300 <= 0.98


def test_of_one_group_there_is_none():
    assert intervals(lambda places: {"mean": float(places.mean())}, ["a", "a"], seed=0) == {}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_statistic_that_is_no_number_without_some_block_has_none_and_the_others_keep_theirs(broken):
    values = np.random.default_rng(2).normal(size=6)

    def statistics(places):
        mean = float(values[places].mean())
        return {"mean": mean, "pairs": mean if 3 in places else broken}

    found = intervals(statistics, range(6), seed=0)
    assert found == intervals(lambda places: {"mean": float(values[places].mean())}, range(6), seed=0)
