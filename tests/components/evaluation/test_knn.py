"""The vote is scikit-learn's, weighs as the paper does, and chooses without the test part."""

import numpy as np
import pytest

from components.contracts.errors import ConfigError
from components.evaluation.downstream.digits import Digits
from components.evaluation.knn import TEMPERATURE, Neighbours, vote, voted
from tests.components.evaluation.test_probe import PARTS, Squares
from tests.subjects import Told, subject_of

EAST, NORTH = np.array([1.0, 0.0]), np.array([0.0, 1.0])


def at(degrees: float) -> np.ndarray:
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])


def test_the_nearer_weigh_more_by_hand():
    """One at 10 degrees against two at 40 and 41: alone it would lose, but exp of its cosine is above theirs together."""
    rows, labels = np.stack([at(10), at(-40), at(41), at(0)]), np.array(["near", "far", "far", "asked"])
    known, asked = labels != "asked", labels == "asked"
    weights = np.exp(np.cos(np.radians([10, 40, 41])) / TEMPERATURE)
    assert weights[0] > weights[1] + weights[2]
    assert vote(rows, labels, known, asked, 3).tolist() == ["near"]
    rows[0] = at(39)
    assert vote(rows, labels, known, asked, 3).tolist() == ["far"]
    assert vote(rows, labels, known, asked, 1).tolist() == ["near"]


def test_length_does_not_count():
    draw = np.random.default_rng(0)
    rows, labels = draw.normal(size=(len(PARTS), 4)), draw.integers(0, 3, len(PARTS)).astype(str)
    longer = rows * draw.uniform(0.1, 10, (len(PARTS), 1))
    np.testing.assert_array_equal(
        voted({"a": rows}, labels, PARTS, [5]).answers, voted({"a": longer}, labels, PARTS, [5]).answers
    )


def test_the_space_and_the_number_are_chosen_by_the_validation_part():
    """A class at each axis, one picture in four called wrong: one neighbour repeats such errors, many do not."""
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 2, len(PARTS)).astype(str)
    rows = np.where(labels[:, None] == "0", EAST, NORTH) + draw.normal(0, 0.2, (len(PARTS), 2))
    noise = draw.normal(size=rows.shape)
    said = np.where((PARTS == "train") & (draw.random(len(PARTS)) < 0.25), np.where(labels == "0", "1", "0"), labels)
    chosen = voted({"pooled": noise, "features": rows}, said, PARTS, [1, 30])
    assert (chosen.space, chosen.k) == ("features", 30)
    assert (chosen.answers == labels[PARTS == "test"]).mean() > 0.95
    hidden = np.where(PARTS == "test", "hidden", said)
    np.testing.assert_array_equal(
        voted({"pooled": noise, "features": rows}, hidden, PARTS, [1, 30]).answers, chosen.answers
    )


def test_features_that_know_are_right_and_the_row_says_what_was_answered(squares):
    colours = sorted({group["category"] for group in squares.groups})
    known = [np.eye(5)[colours.index(group["category"])] for group in squares.groups]
    told = Told(dict(zip(squares.pictures, known, strict=True)), {})
    found = Neighbours(Squares(squares), ks=[1, 5, 1000]).measure(subject_of(squares, told, told, {"train": [0]}))
    (metric,) = found.metrics
    assert (metric.name, metric.value, metric.n) == ("knn.squares.top1", 1, 12)
    assert "a vote of the 1 nearest by the shared space" in metric.method
    rows = found.rows["knn.squares"].to_pylist()
    assert all(row["answer"] == row["label"] and row["right"] for row in rows)
    assert np.mean([row["baseline_answer"] == row["label"] for row in rows]) == metric.baseline


def test_more_neighbours_than_there_are_is_refused(squares):
    told = Told(dict.fromkeys(squares.pictures, (1.0, 2.0)), {})
    with pytest.raises(ConfigError, match=r"ks is \[100\], but there are 25 pictures"):
        Neighbours(Squares(squares), ks=[100]).measure(subject_of(squares, told, told, {"train": [0]}))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"spaces": []}, "spaces is empty"), ({"ks": []}, "one neighbour"), ({"ks": [0, 5]}, "one neighbour")],
)
def test_nothing_to_choose_from_is_refused(wrong, said):
    with pytest.raises(ConfigError, match=said):
        Neighbours(Digits(), **wrong)
