"""Signs that are drawn reach as far as an exact test of them says, also beyond what draws can tell."""

import numpy as np
import pytest
from scipy.stats import norm

from components.evaluation.signs import reach, signed


@pytest.mark.parametrize("comparisons", [1, 5, 13, 40, 250, 1_000, 100_000])
def test_of_answers_that_differ_the_one_way_alone_as_many_are_needed_as_of_coins(comparisons):
    """By hand: that k coins fall alike happens in 2 / 2^k of cases."""
    confidence = 1 - 0.05 / comparisons
    exact = next(k for k in range(1, 60) if 2 * 0.5**k <= 1 - confidence)
    ours = next(k for k in range(1, 60) if k > reach(np.ones(k), 0, confidence) + 1e-9)
    beyond = comparisons > 12  # of the draws, where a normal stands for them
    assert exact - beyond <= ours <= exact + 4 * beyond


def test_of_many_groups_it_is_a_normal_s_and_what_differs_nowhere_reaches_nowhere():
    apart = np.random.default_rng(0).normal(size=500)
    for confidence in (0.9, 0.95, 0.999, 0.999999):
        wanted = norm.isf((1 - confidence) / 2) * (apart**2).sum() ** 0.5
        assert reach(apart, 0, confidence) == pytest.approx(wanted, rel=0.05)
    assert reach(np.zeros(30), 0, 0.95) == 0.0
    assert signed(apart, 0).mean() == pytest.approx(0, abs=4 * (500 / 10_000) ** 0.5)


def test_one_group_that_gives_nearly_all_shows_nothing():
    apart = np.full(30, 0.001)
    apart[0] = 1.0
    assert reach(apart, 0, 0.95) > apart.sum()
