"""Intervals are scipy's where each row is its own group, and hold what they promise where queries err together."""

import numpy as np
import pytest
from scipy.stats import bootstrap

from components.contracts.errors import DataError
from components.evaluation.bootstrap import FEW, drawn, interval, mean_interval, median, median_interval, summed


def of_groups(rng: np.random.Generator, groups: int, each: int = 5) -> tuple[np.ndarray, list[int]]:
    """Return right and wrong answers, five about each thing, which is hard or easy for all five: a mean of one half."""
    hard = np.repeat(rng.beta(0.5, 0.5, groups), each)
    return (rng.random(len(hard)) < hard).astype(float), np.repeat(np.arange(groups), each).tolist()


@pytest.mark.parametrize("kind", ["right or wrong", "numbers"])
def test_rows_that_are_their_own_groups_have_the_interval_of_scipy(kind):
    rng = np.random.default_rng(1)
    values = (rng.random(300) < 0.3).astype(float) if kind == "right or wrong" else rng.exponential(size=300)
    ours = mean_interval(values, range(300), seed=0)
    theirs = bootstrap((values,), np.mean, n_resamples=10_000, method="percentile", rng=rng).confidence_interval
    assert ours == pytest.approx(tuple(theirs), abs=0.15 * values.std() / 300**0.5)


def test_a_ratio_of_sums_is_what_is_drawn_and_not_a_mean_of_means():
    """Of groups of 1 and 3 queries, by hand: drawn twice, there are 2, 4 or 6 queries."""
    sums = summed(np.array([[1.0, 1], [0, 1], [0, 1], [1, 1]]), ["a", "b", "b", "b"])
    assert sums.tolist() == [[1, 1], [1, 3]]
    seen = {tuple(row) for row in drawn(sums, seed=0, draws=200).tolist()}
    assert seen == {(2, 2), (2, 4), (2, 6)}
    assert interval(sums, lambda of: of[:, 0] / of[:, 1], 0) == pytest.approx((2 / 6, 1.0))


def test_what_all_groups_have_alike_is_summed_as_if_it_were_drawn():
    values = np.random.default_rng(0).random(40)
    sums = drawn(np.stack([values, np.full(40, 3.0)], 1), seed=5, draws=30)
    nearly = drawn(np.stack([values, np.full(40, 3.0) + 1e-9 * np.arange(40)], 1), seed=5, draws=30)
    assert (sums[:, 1] == 120).all()
    np.testing.assert_allclose(nearly, sums)
    assert np.ptp(sums[:, 0]) > 1


def test_draws_follow_from_the_seed_and_not_from_how_many_are_made_at_once(monkeypatch):
    sums = summed(np.random.default_rng(0).random((50, 1)), range(50))
    one = drawn(sums, seed=3, draws=40)
    monkeypatch.setattr("components.evaluation.bootstrap._AT_ONCE", 100)
    np.testing.assert_allclose(drawn(sums, seed=3, draws=40), one)
    assert not np.allclose(drawn(sums, seed=4, draws=40), one)


def test_of_queries_that_err_together_the_interval_holds_the_truth_as_often_as_it_says():
    """300 sets of 60 groups; drawing queries one by one, as if each were news, holds it far less often."""
    rng, held = np.random.default_rng(0), np.zeros(2)
    for seed in range(300):
        values, groups = of_groups(rng, 60)
        for way, told in enumerate((groups, range(len(values)))):
            low, high = interval(
                summed(np.stack([values, np.ones(300)], 1), told), lambda of: of[:, 0] / of[:, 1], seed, draws=1000
            )
            held[way] += low <= 0.5 <= high
    assert 0.91 <= held[0] / 300 <= 0.98
    assert held[1] / 300 < 0.85


def test_a_hundred_thousand_queries_cost_what_their_distinct_groups_do():
    """As many draws as of a thousand: what is right or wrong has few kinds of groups."""
    values, groups = of_groups(np.random.default_rng(0), 20_000)
    low, high = mean_interval(values, groups, seed=0)
    assert high - low < 0.02
    assert len(np.unique(summed(values[:, None], groups), axis=0)) == 6


def test_of_one_group_there_is_no_interval():
    assert mean_interval(np.array([1.0, 0.0]), ["a", "a"], seed=0) == (None, None)
    with pytest.raises(DataError, match="1 group"):
        interval(np.ones((1, 2)), lambda of: of[:, 0], 0)


def test_a_value_that_is_no_number_is_named_by_its_query():
    with pytest.raises(DataError, match="query 1 of 3"):
        summed(np.array([[0.0], [np.nan], [1.0]]), "abc")


def test_numbers_that_hardly_repeat_are_drawn_as_those_that_do():
    """The same 200 numbers, once as they are and once with a trace that makes each another."""
    values = np.random.default_rng(0).integers(0, 4, 200).astype(float)
    apart = mean_interval(values + 1e-9 * np.arange(200), range(200), seed=1)
    assert apart == pytest.approx(mean_interval(values, range(200), seed=2), abs=0.02)


def test_the_interval_of_a_median_is_that_of_drawing_and_sorting():
    rng = np.random.default_rng(3)
    hard = np.repeat(rng.integers(1, 30, 50), 3)
    ranks, groups = 1 + rng.poisson(hard), np.repeat(np.arange(50), 3)
    again = [
        median(np.concatenate([ranks[groups == group] for group in rng.integers(50, size=50)])) for _ in range(2000)
    ]
    low, high = np.quantile(again, [0.025, 0.975])
    assert median_interval(ranks, groups.tolist(), seed=0) == pytest.approx((low, high), abs=1)
    assert low <= median(ranks) <= high
    assert median_interval(ranks, [0] * 150, seed=0) == (None, None)


def test_of_an_even_number_of_queries_the_median_is_a_rank_that_one_of_them_has():
    assert median(np.array([7, 1, 3, 100])) == 3


def test_many_sums_of_a_group_are_drawn_as_few_are():
    """Whether it is counted how often a group is drawn or each sum looked up: the same groups, and whole numbers to the bit."""
    sums = np.random.default_rng(0).integers(1_000_000, size=(700, FEW + 2)).astype(float)
    many = drawn(sums, 3, 500)
    few = np.concatenate([drawn(sums[:, :FEW], 3, 500), drawn(sums[:, FEW:], 3, 500)], 1)
    np.testing.assert_array_equal(many, few)
    np.testing.assert_allclose(drawn(sums / 7, 3, 500), few / 7, rtol=1e-12)
