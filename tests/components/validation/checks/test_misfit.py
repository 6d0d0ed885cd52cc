"""What is odd is decided by the median and the spread of the data at hand, which what is odd does not move."""

from dataclasses import replace

import numpy as np
import pytest

from components.validation.checks.misfit import Misfit
from components.validation.fit import LEAST, fit_of
from tests.planted import misfit
from tests.rows import found, row, rows


def test_median_and_spread_are_those_of_the_books():
    """1, 2, ... 21: the median is 11 and the median distance from it 5, of a normal distribution 0.6745 of its deviation."""
    fit = fit_of(np.arange(1.0, 22.0), "m", bar=3.5)
    assert (fit.scored, fit.median, fit.spread) == (21, 11, pytest.approx(5 / 0.6745))
    assert fit.below(np.array([11, 20, 11 - 5 / 0.6745, np.nan])).tolist() == pytest.approx(
        [0, 0, 1, np.nan], nan_ok=True
    )


def test_a_fifth_that_is_odd_is_found_still():
    draws = np.random.default_rng(0)
    usual = [row(f"u{i}", score=score) for i, score in enumerate(draws.normal(0.3, 0.03, 200))]
    odd = [row(f"o{i}", score=score) for i, score in enumerate(draws.normal(0.05, 0.03, 50))]
    said = found(Misfit(), [*usual, *odd])
    assert sum(key[0] == "o" for key in said) >= 48
    assert not [key for key in said if key[0] == "u"]


def test_the_bar_is_whoever_asks_sets_it():
    listed = rows(misfit().rows)
    assert listed.fit is not None
    counts = [len(Misfit().find(replace(listed, fit=replace(listed.fit, bar=bar)))) for bar in (0.5, 3.5, 1000)]
    assert counts[0] > counts[1] == 3 > counts[2] == 0


def test_the_worst_weighs_most_and_the_detail_says_how_far_off_it_is():
    findings = Misfit().find(rows(misfit().rows))
    assert [one.weight for one in findings] == sorted((one.weight for one in findings), reverse=True)
    assert findings[0].detail.startswith("a score of 0.100, ")
    assert "below the median of 0.312; up to 3.5 is usual" in findings[0].detail


def test_few_scores_or_the_same_all_over_say_nothing():
    odd = row("odd", score=-1.0)
    few = [row(f"u{i}", score=0.3 + i / 1000) for i in range(LEAST - 2)]
    assert not found(Misfit(), [*few, odd])
    assert found(Misfit(), [*few, row("one more", score=0.3), odd]) == {"odd": "misfit"}
    assert not found(Misfit(), [*(row(f"s{i}", score=0.3) for i in range(50)), odd])


def test_without_a_model_nothing_is_found():
    assert not found(Misfit(), [row(f"u{i}") for i in range(50)])
