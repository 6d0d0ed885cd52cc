"""The shape of a feature space, on rows whose numbers can be worked out by hand, and on random directions."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.contracts.errors import ConfigError
from components.evaluation.feature_stats import (
    FeatureStats,
    alignment,
    dead_share,
    effective_rank,
    evenly,
    modality_gap,
    random_directions,
    uniformity,
    variance,
)
from tests.subjects import Told, subject_of

EAST, NORTH, WEST, SOUTH = [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]
CROSS = np.array([EAST, NORTH, WEST, SOUTH])


def test_the_gap_is_the_distance_of_the_means():
    assert modality_gap(np.array([EAST, EAST]), np.array([WEST, WEST])) == 2
    assert modality_gap(np.array([EAST, NORTH]), np.array([EAST, SOUTH])) == pytest.approx(1)  # (.5, .5) to (.5, -.5)
    assert modality_gap(CROSS, CROSS[::-1]) == 0


def test_alignment_is_the_mean_squared_distance_of_pairs():
    assert alignment(CROSS, CROSS) == 0
    assert alignment(np.array([EAST, EAST]), np.array([EAST, WEST])) == 2  # 0 and 4
    assert alignment(np.array([EAST]), np.array([NORTH])) == pytest.approx(2)


def test_uniformity_is_the_log_of_the_mean_power():
    assert uniformity(np.array([EAST, EAST, EAST])) == 0
    assert uniformity(np.array([EAST, WEST])) == pytest.approx(-8)  # d^2 is 4
    four, two = np.exp(-4), np.exp(-8)  # four neighbours at d^2 = 2, two opposites at 4
    assert uniformity(CROSS) == pytest.approx(np.log((4 * four + 2 * two) / 6))


def test_variance_is_what_is_not_common_to_all():
    assert variance(np.array([EAST, EAST])) == 0
    assert variance(CROSS) == pytest.approx(1)
    assert variance(np.array([EAST, NORTH])) == pytest.approx(0.5)  # 1 less the squared length of the mean


def test_effective_rank_counts_the_dimensions_that_are_used():
    assert effective_rank(np.array([EAST, EAST])) == 0
    assert effective_rank(np.array([EAST, WEST])) == pytest.approx(1)
    assert effective_rank(CROSS) == pytest.approx(2)
    stretched = np.array([[3.0, 0], [-3, 0], [0, 1], [0, -1]])  # singular values 3 and 1, in shares of 3/4 and 1/4
    assert effective_rank(stretched) == pytest.approx(np.exp(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25))))


def test_a_dimension_that_never_changes_is_dead():
    rows = np.array([[0.6, 0.8, 0.0, 0.0], [0.6, -0.8, 0.0, 0.0], [0.6, 0.0, 0.8, 0.0]])
    assert dead_share(rows) == 0.5
    assert dead_share(CROSS) == 0


@given(st.integers(0, 2**32 - 1), st.integers(3, 40), st.integers(2, 12))
def test_turning_the_space_changes_nothing_but_which_dimension_is_which(seed, rows, width):
    draw = np.random.default_rng(seed)
    image, text = (random_directions(draw, rows, width).astype(np.float64) for _ in range(2))
    turn, _ = np.linalg.qr(draw.normal(size=(width, width)))
    for call in (modality_gap, alignment):
        assert call(image @ turn, text @ turn) == pytest.approx(call(image, text), abs=1e-9)
    for call in (uniformity, variance, effective_rank):
        assert call(image @ turn) == pytest.approx(call(image), abs=1e-9)
        assert call(image[::-1]) == pytest.approx(call(image), abs=1e-9)


def test_random_directions_are_as_the_papers_say():
    image, text = (random_directions(np.random.default_rng(seed), 2_000, 64) for seed in (0, 1))
    np.testing.assert_allclose(np.linalg.norm(image, axis=1), 1, rtol=1e-5)
    assert alignment(image, text) == pytest.approx(2, abs=0.03)  # right angles
    assert modality_gap(image, text) < 0.06  # 2,000 directions cancel out
    assert -4 < uniformity(image) < -3.8  # -2 * 2 and a little for the spread around a right angle
    assert effective_rank(image) > 60
    assert variance(image) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(("count", "most", "places"), [(3, 5, [0, 1, 2]), (5, 3, [0, 2, 4]), (1, 9, [0])])
def test_places_are_spread_evenly(count, most, places):
    assert evenly(count, most).tolist() == places


def test_the_model_stands_beside_the_untrained_one_and_chance(squares):
    """Trained: each picture at its text, the two halves opposite. Untrained: all pictures in one place, all texts in another."""
    texts = [name for (name,) in squares.captions]
    known = {name: CROSS[place % 4] for place, name in enumerate(dict.fromkeys(texts))}
    trained = Told({data: known[name] for data, name in zip(squares.pictures, texts, strict=True)}, known)
    collapsed = Told(dict.fromkeys(squares.pictures, EAST), dict.fromkeys(texts, WEST))
    found = FeatureStats(splits=["val"]).measure(
        subject_of(squares, trained, collapsed, {"train": range(4), "val": range(50)})
    )
    numbers = {metric.name.removeprefix("features.val."): metric for metric in found.metrics}
    assert (numbers["alignment"].value, numbers["alignment"].baseline) == (0, 4)
    assert (numbers["modality_gap"].value, numbers["modality_gap"].baseline) == (0, 2)
    assert (numbers["image.effective_rank"].value, numbers["image.effective_rank"].baseline) == (
        pytest.approx(2, abs=0.01),
        0,
    )
    assert (numbers["text.uniformity"].baseline, numbers["image.dead_share"].baseline) == (0, 1)
    assert numbers["alignment"].chance == pytest.approx(2, abs=0.6)
    assert {metric.n for metric in found.metrics} == {50}


def test_a_split_that_is_not_there_is_said(squares):
    told = Told(dict.fromkeys(squares.pictures, EAST), {name: EAST for (name,) in squares.captions})
    found = FeatureStats(splits=["val", "designer"]).measure(
        subject_of(squares, told, told, {"train": [0], "val": [1]})
    )
    assert found.metrics == ()
    assert found.without == {
        "features.val": "this data has no two pictures in val",
        "features.designer": "this data has no two pictures in designer",
    }


def test_no_split_is_refused():
    with pytest.raises(ConfigError, match="splits is empty"):
        FeatureStats(splits=[])


def test_an_interval_ends_where_the_numbers_do(squares):
    """Every picture at its text: the distance is nought, and no interval goes below it."""
    known = {name: CROSS[place % 4] for place, name in enumerate(dict.fromkeys(name for (name,) in squares.captions))}
    model = Told({data: known[name] for data, (name,) in zip(squares.pictures, squares.captions, strict=True)}, known)
    found = FeatureStats().measure(subject_of(squares, model, model, {"train": range(4), "val": range(50)}))
    numbers = {metric.name.removeprefix("features.val."): metric for metric in found.metrics}
    assert (numbers["alignment"].low, numbers["alignment"].high) == (0, 0)
    assert numbers["image.variance"].high <= 1
    for metric in found.metrics:
        assert metric.low <= metric.value <= metric.high
        assert metric.unit == "nats" or metric.low >= 0


@pytest.mark.filterwarnings("error")
def test_two_pictures_have_no_interval_of_what_asks_for_pairs(squares):
    told = {data: CROSS[place % 4] for place, data in enumerate(squares.pictures)}
    model = Told(told, {name: CROSS[place % 4] for place, (name,) in enumerate(squares.captions)})
    found = FeatureStats().measure(subject_of(squares, model, model, {"train": range(4), "val": [0, 5]}))
    without = {metric.name.removeprefix("features.val.") for metric in found.metrics if metric.low is None}
    assert without == {"image.uniformity", "text.uniformity"}
    json.dumps([metric.as_json() for metric in found.metrics], allow_nan=False)
