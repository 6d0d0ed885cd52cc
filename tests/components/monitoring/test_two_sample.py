"""Two samples of one distribution are called two as often as is allowed, and samples of two are found."""

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from components.contracts.errors import DataError
from components.monitoring.two_sample import mmd, mmd2, permuted, rbf, told_apart

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "mmd.json").read_text())
DRAWS, ALPHA = 200, 0.05
MOST = int(binom.ppf(0.999, DRAWS, ALPHA))  # of the draws that may be called drift, where one in twenty should be: 21


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def drawn(rng: np.random.Generator, count: int, shift: float = 0.0, width: int = 16) -> np.ndarray:
    """Unit vectors about one direction, as texts of a model are, or about another."""
    centre = np.zeros(width)
    centre[0], centre[1] = 1, shift
    return unit(rng.normal(size=(count, width)) / 2 + centre)


@pytest.mark.parametrize("case", GOLDEN["cases"])
def test_mmd_is_the_peers(case):
    reference, now = np.array(case["reference"]), np.array(case["now"])
    kernel = rbf(np.concatenate([reference, now]))
    assert mmd2(kernel, len(reference)) == pytest.approx(case["mmd2"], rel=1e-5)


def test_permutations_are_those_that_there_are():
    rng = np.random.default_rng(0)
    kernel = rbf(rng.normal(size=(6, 3)))
    every = []
    for first in combinations(range(6), 2):
        order = [*first, *(row for row in range(6) if row not in first)]
        every.append(mmd2(kernel[np.ix_(order, order)], 2))
    found = np.unique(permuted(kernel, 2, 500, seed=1).round(5))
    np.testing.assert_allclose(found, np.unique(np.round(every, 5)), atol=2e-5)


def test_p_is_a_share_of_all_permutations_and_never_nothing():
    far = mmd(drawn(np.random.default_rng(0), 40), -drawn(np.random.default_rng(1), 40), permutations=99, seed=0)
    assert far.p_value == pytest.approx(0.01)
    assert far.statistic > 0.2


def test_a_classifier_that_tells_all_apart_has_the_p_of_as_many_coins():
    rng = np.random.default_rng(0)
    found = told_apart(rng.normal(size=(40, 4)) + 20, rng.normal(size=(24, 4)) - 20, seed=0)
    assert (found.statistic, found.p_value) == (1.0, pytest.approx(0.5**24))


@pytest.mark.parametrize("unequal", [False, True])
def test_of_one_distribution_as_many_are_called_drift_as_alpha_says(unequal):
    rng = np.random.default_rng(7)
    shares = {"mmd": 0, "classifier": 0}
    for seed in range(DRAWS):
        reference, now = drawn(rng, 90 if unequal else 50), drawn(rng, 50)
        shares["mmd"] += mmd(reference, now, permutations=199, seed=seed).p_value <= ALPHA
        shares["classifier"] += told_apart(reference, now, seed).p_value <= ALPHA
    assert max(shares.values()) <= MOST
    assert shares["mmd"] >= binom.ppf(0.001, DRAWS, ALPHA)  # exact, so that it is no seldomer either


def test_of_two_distributions_nearly_all_are_found():
    rng = np.random.default_rng(8)
    found = [
        (mmd(drawn(rng, 100), now := drawn(rng, 100, shift=0.6), 199, seed).p_value, told_apart(drawn(rng, 100), now, seed).p_value)
        for seed in range(40)
    ]  # fmt: skip
    assert (np.array(found) <= ALPHA).mean(0).min() > 0.9


def test_what_cannot_be_compared_is_said():
    rows = drawn(np.random.default_rng(0), 8)
    with pytest.raises(DataError, match="4 rows or more"):
        mmd(rows[:3], rows, 99, 0)
    with pytest.raises(DataError, match="4 rows or more"):
        told_apart(rows, rows[:2], 0)
    with pytest.raises(DataError, match="no numbers"):
        mmd(rows, np.full_like(rows, np.nan), 99, 0)
