"""Calibration by hand, by torchmetrics and by scikit-learn; what chance says is what models that say the truth show."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.calibration import calibration_curve
from torchmetrics.classification import MulticlassCalibrationError

from components.contracts.errors import ConfigError
from components.contracts.evaluator import Findings
from components.evaluation.bootstrap import drawn as drawn_sums
from components.evaluation.calibration import DIGITS, Bins, Calibration, error, error_by_chance, pictured_of
from components.evaluation.zero_shot import ZeroShot
from tests.squares import COLOURS
from tests.subjects import Told, subject_of

SPLITS = {"train": range(0, 50, 2), "val": range(1, 25, 2), "pair": range(25, 50, 2)}
SCALE = 3.0
SURE = np.exp(SCALE) / (np.exp(SCALE) + 4)  # of a colour that is seen, among five: cosines are 1 and 0


def axis(colour: str) -> list[float]:
    return [1.0 if colour == one else 0.0 for one in COLOURS]


def seen_as(squares, other: dict[str, str]) -> Told:
    """Return a model that knows the colour of every square, or takes it for the other that is named."""
    colours = [group["category"] for group in squares.groups]
    pictures = {data: axis(other.get(colour, colour)) for data, colour in zip(squares.pictures, colours, strict=True)}
    return Told(pictures, {colour: axis(colour) for colour in COLOURS}, SCALE)


def measured(squares, model: Told, splits=SPLITS, **settings) -> Findings:
    return Calibration(ZeroShot(prompts="label"), **settings).measure(subject_of(squares, model, model, splits))


def drawn(count: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return the shares that a model says of each class, of as many digits as are looked at, and the truth, which it does not know well."""
    draw = np.random.default_rng(seed)
    powers = np.exp(2 * draw.normal(size=(count, classes)))
    return (powers / powers.sum(1, keepdims=True)).round(DIGITS), draw.integers(0, classes, count)


def test_by_hand_two_bins():
    confidence, right = np.array([0.55, 0.65, 0.9, 0.9]), np.array([True, False, True, True])
    for binned, count in (("mass", 2), ("width", 4)):
        bins = Bins.of(confidence, count, binned)
        assert bins.places.tolist() in ([0, 0, 1, 1], [2, 2, 3, 3])
        assert error(confidence, right, bins) == pytest.approx((abs(1.2 - 1) + abs(1.8 - 2)) / 4)
        assert [one["queries"] for one in pictured_of(confidence, right, bins)["bins"]] == [2, 2]
        assert [one["confidence"] for one in pictured_of(confidence, right, bins)["bins"]] == pytest.approx([0.6, 0.9])
        assert [one["right"] for one in pictured_of(confidence, right, bins)["bins"]] == [0.5, 1.0]


def test_in_one_bin_errors_of_both_signs_are_evened_out_and_in_two_they_are_not():
    confidence, right = np.array([0.5, 0.7]), np.array([True, False])
    assert error(confidence, right, Bins.of(confidence, 1, "mass")) == pytest.approx(0.1)
    assert error(confidence, right, Bins.of(confidence, 2, "mass")) == pytest.approx(0.6)


@pytest.mark.parametrize("count", [5, 15])
def test_bins_of_one_width_give_what_torchmetrics_gives(count):
    shares, truth = drawn(700, 6)
    confidence, right = shares.max(1), shares.argmax(1) == truth
    peer = MulticlassCalibrationError(num_classes=6, n_bins=count, norm="l1")
    theirs = float(peer(torch.from_numpy(shares), torch.from_numpy(truth)))
    assert theirs > 0.3
    assert error(confidence, right, Bins.of(confidence, count, "width")) == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize(("binned", "strategy"), [("mass", "quantile"), ("width", "uniform")])
def test_bins_are_those_of_scikit_learn(binned, strategy):
    shares, truth = drawn(702, 4)  # 701 is prime: no edge falls on a query, where the last bit would decide
    confidence, right = shares.max(1), shares.argmax(1) == truth
    theirs_right, theirs_sure = calibration_curve(right, confidence, n_bins=15, strategy=strategy)
    found = pictured_of(confidence, right, Bins.of(confidence, 15, binned))["bins"]
    assert [one["confidence"] for one in found] == pytest.approx(theirs_sure.tolist())
    assert [one["right"] for one in found] == pytest.approx(theirs_right.tolist())


def test_bins_of_one_mass_hold_as_many_each_and_never_part_what_is_equally_sure():
    confidence = drawn(600, 4)[0].max(1)
    assert np.bincount(Bins.of(confidence, 15, "mass").places).tolist() == [40] * 15
    alike = Bins.of(np.array([0.2, 0.5, 0.5, 0.5, 0.5, 0.9]), 3, "mass").places
    assert len(set(alike[1:5].tolist())) == 1


def test_bits_that_depend_on_the_batch_do_not_part_what_is_equally_sure():
    alike = np.array([0.5, 0.5, 0.5, 0.5, 0.9, 0.9]) + 1e-9 * np.arange(6)
    assert (
        Bins.of(alike, 3, "mass").places[:4].tolist() == Bins.of(alike[::-1], 3, "mass").places[2:].tolist() == [0] * 4
    )


def test_a_model_that_is_right_as_often_as_it_says_shows_what_chance_says():
    draw = np.random.default_rng(1)
    confidence = 0.3 + 0.7 * draw.random(400)
    bins = Bins.of(confidence, 15, "mass")
    shown = [error(confidence, draw.random(400) < confidence, bins) for _ in range(500)]
    assert error_by_chance(confidence, bins) == pytest.approx(np.mean(shown), rel=0.03)
    assert error_by_chance(np.ones(400), Bins.of(np.ones(400), 15, "mass")) == 0, (
        "who is sure and right errs by nothing"
    )


def test_what_is_drawn_from_the_queries_of_a_calibrated_model_lies_above_its_error():
    """Which is why the error's interval is none of its quantiles (test_of_parts.py)."""
    draw = np.random.default_rng(1)
    confidence = 0.3 + 0.7 * draw.random(400)
    right = draw.random(400) < confidence
    bins = Bins.of(confidence, 15, "mass")
    each = (confidence - right)[:, None] * (bins.places[:, None] == np.arange(15))
    again = np.abs(drawn_sums(each, seed=0, draws=500)).sum(1) / 400
    assert np.quantile(again, 0.1) > error(confidence, right, bins)


def test_a_model_that_knows_all_is_off_by_what_it_doubts(squares):
    found = {metric.name: metric for metric in measured(squares, seen_as(squares, {})).metrics}
    ece, brier = (found[f"calibration.pair.category.{one}"] for one in ("ece", "brier"))
    assert ece.value == pytest.approx(1 - SURE, abs=1e-6)
    assert ece.chance == pytest.approx(np.sqrt(2 / np.pi * 13 * SURE * (1 - SURE)) / 13, rel=1e-5)
    assert ece.n == 13
    assert ece.low == pytest.approx(ece.value) == ece.high, "all err alike"
    assert (
        ece.method
        == f"on average {SURE:.1%} sure and 100.0% right, 15 bins of as many pictures each; 1 of 5 by the group's own name"
    )
    assert brier.value == pytest.approx((1 - SURE) ** 2 + 4 * ((1 - SURE) / 4) ** 2, abs=1e-6)
    assert (brier.chance, brier.method) == (pytest.approx(4 / 5), "1 of 5 by the group's own name")
    assert brier.low == pytest.approx(brier.high), "all err alike"


def test_a_model_that_takes_red_for_green_is_surer_than_it_is_right(squares):
    found = measured(
        squares, seen_as(squares, {"red": "green", "green": "red"}), {"train": range(50), "val": range(50)}
    )
    ece, brier = found.metrics
    assert ece.value == pytest.approx(SURE - 3 / 5, abs=1e-6)
    rows = found.rows["calibration.val"].to_pylist()
    assert len(rows) == 50
    assert {(row["label"], row["first"]) for row in rows if not row["right"]} == {("red", "green"), ("green", "red")}
    assert np.mean([row["squared_distance"] for row in rows]) == pytest.approx(brier.value)
    assert brier.low < brier.value < brier.high
    assert (ece.baseline, brier.baseline) == (0, 0), "each picture is trained on"
    assert found.files["calibration.category.json"]["val"]["right"] == pytest.approx(0.6)


def test_a_baseline_that_is_always_sure_errs_by_all_that_it_misses(squares):
    ece, brier = measured(squares, seen_as(squares, {}), {"train": range(10), "val": range(50)}).metrics
    assert ece.baseline == pytest.approx(4 / 5)
    assert brier.baseline == pytest.approx(8 / 5)


def test_of_a_model_of_unknown_training_the_baseline_is_chance(squares):
    found = measured(squares, seen_as(squares, {}), {"train": [], "val": range(50)})
    assert [metric.baseline for metric in found.metrics] == [metric.chance for metric in found.metrics]
    assert set(found.rows["calibration.val"]["baseline_right"].to_pylist()) == {None}


def test_it_asks_as_zero_shot_does(squares):
    """The same answers, and the same share of the first."""
    model, asks = seen_as(squares, {"red": "green"}), ZeroShot(prompts="label", sharpness=0.4)
    subject = subject_of(squares, model, model, SPLITS)
    theirs = asks.measure(subject).rows["zero_shot.val"].to_pylist()
    ours = Calibration(asks).measure(subject).rows["calibration.val"].to_pylist()
    for one, other in zip(ours, theirs, strict=True):
        assert (one["query"], one["label"], one["first"], one["right"]) == tuple(
            other[name] for name in ("query", "label", "first", "first_right")
        )
        assert one["confidence"] == pytest.approx(other["first_share"], abs=1e-6)


@pytest.mark.parametrize(("among", "choices"), [("all", 5), ("pools", 2)])
def test_there_is_to_choose_from_what_zero_shot_is_told(squares, among, choices):
    """Training pictures are of all five colours, and those that are measured of two."""
    model, places = seen_as(squares, {}), range(20)
    subject = subject_of(squares, model, model, {"train": range(50), "val": places})
    _, brier = Calibration(ZeroShot(prompts="label", among=among)).measure(subject).metrics
    assert (brier.name, brier.chance) == ("calibration.val.category.brier", pytest.approx(1 - 1 / choices))


def test_data_without_groups_is_not_measured_and_said_so(squares):
    model = seen_as(squares, {})
    said = "no picture has a category, so there is nothing to choose from"
    subject = subject_of(squares, model, model, SPLITS, labelled=False)
    assert Calibration(ZeroShot()).measure(subject) == Findings(
        without=dict.fromkeys(["calibration.val.category", "calibration.pair.category"], said)
    )
    subject = subject_of(squares, model, model, SPLITS)
    subject.pools["pair"] = replace(subject.pools["pair"], groups=())
    found = Calibration(ZeroShot(prompts="label")).measure(subject)
    assert found.without == {"calibration.pair.category": "no picture of pair has a category"}
    assert list(found.rows) == ["calibration.val"]


def test_no_bin_at_all_is_refused():
    with pytest.raises(ConfigError, match="bins is 0, but pictures go into one or more"):
        Calibration(ZeroShot(), bins=0)
