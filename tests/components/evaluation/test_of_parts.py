"""Intervals of numbers that noise adds to hold the truth as often as they say, also where the truth is nothing, and tell what is large from nothing."""

import numpy as np
import pytest

from components.evaluation import of_parts
from components.evaluation.calibration import Bins, error
from components.evaluation.of_parts import gap_interval, sum_interval
from components.evaluation.slices import gap

TURNS = 150
FEWEST = 0.9 * TURNS  # of 95 in 100 that hold: by chance fewer three times in a thousand


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    monkeypatch.setattr(of_parts, "DRAWS", 300)


@pytest.mark.parametrize("too_sure", [0.0, 0.02, 0.2])
@pytest.mark.parametrize("alike", [1, 5])
def test_of_a_model_that_is_so_much_too_sure_the_error_is_held(too_sure, alike):
    """Right answers follow from what it says less that; queries of one group are all right or all wrong."""
    draw, held = np.random.default_rng(0), 0
    for _ in range(TURNS):
        confidence = np.repeat(0.3 + 0.7 * draw.random(300), alike)
        right = np.repeat(draw.random(300) < confidence[::alike] - too_sure, alike)
        bins = Bins.of(confidence, 15, "mass")
        low, high = sum_interval(confidence - right, bins.places, 15, (np.arange(len(right)) // alike).tolist(), 0)
        assert low <= error(confidence, right, bins) <= high
        held += low <= too_sure <= high
    assert held >= FEWEST


@pytest.mark.parametrize("worse", [0.0, 0.03, 0.3])
@pytest.mark.parametrize("alike", [1, 5])
def test_the_gap_to_a_slice_that_is_so_much_worse_is_held(worse, alike):
    draw, counts, held = np.random.default_rng(0), [300] * 6, 0
    rates = np.array([0.6] * 5 + [0.6 - worse])
    truth = rates.mean() - rates.min()
    for _ in range(TURNS):
        right = np.repeat(draw.random(6 * 300 // alike) < np.repeat(rates, 300 // alike), alike)
        low, high = gap_interval(right.astype(float), counts, (np.arange(len(right)) // alike).tolist(), 0)
        assert low <= gap(right, counts) <= high
        held += low <= truth <= high
    assert held >= FEWEST


def test_what_is_large_is_told_from_nothing_and_what_is_nothing_is_not():
    draw = np.random.default_rng(0)
    confidence = 0.3 + 0.7 * draw.random(2_000)
    bins = Bins.of(confidence, 15, "mass")
    for too_sure, told in ((0.2, True), (0.0, False)):
        off = confidence - (draw.random(2_000) < confidence - too_sure)
        low, high = sum_interval(off, bins.places, 15, range(2_000), 0)
        assert (low > 0.1) == told
        assert high < 0.35
    for worse, told in ((0.3, True), (0.0, False)):
        right = draw.random(2_000) < np.repeat([0.6, 0.6 - worse], 1_000)
        low, _ = gap_interval(right.astype(float), [1_000] * 2, range(2_000), 0)
        assert (low > 0.08) == told


def test_groups_are_drawn_once_for_all_slices():
    """Every group has a query in both slices, and the one is always as right as the other but for one group: so nothing else can vary."""
    right = np.tile(np.arange(100) % 2, 2).astype(float)
    right[0] = 1.0
    low, high = gap_interval(right, [100, 100], [*range(100), *range(100)], 0)
    alone_low, alone_high = gap_interval(right, [100, 100], range(200), 0)
    assert high - low < 0.5 * (alone_high - alone_low)


@pytest.mark.parametrize("groups", [[10] * 6, [10, 60]])
def test_of_few_groups_the_gap_is_held_too(groups):
    """Ten queries a group, all right or all wrong."""
    draw, held, counts = np.random.default_rng(0), 0, [10 * many for many in groups]
    rates = np.repeat([0.6] * (len(groups) - 1) + [0.5], groups)
    truth = rates.mean() - 0.5
    for _ in range(TURNS):
        right = np.repeat(draw.random(sum(groups)) < rates, 10).astype(float)
        low, high = gap_interval(right, counts, np.repeat(range(sum(groups)), 10).tolist(), 0)
        held += low <= truth <= high
    assert held >= FEWEST


@pytest.mark.parametrize("groups", [[1] * 6, [9, 60], [60, 2]])
def test_of_fewer_there_is_no_interval_of_the_gap(groups):
    right = np.arange(10 * sum(groups)) % 2.0
    about = np.repeat(range(sum(groups)), 10).tolist()
    assert gap_interval(right, [10 * many for many in groups], about, 0) == (None, None)


def test_of_one_group_there_is_none():
    assert sum_interval(np.array([0.1, 0.2]), np.array([0, 1]), 2, ["a", "a"], 0) == (None, None)
    assert gap_interval(np.array([1.0, 0.0]), [1, 1], ["a", "a"], 0) == (None, None)
