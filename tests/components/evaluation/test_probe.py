"""The probe is scikit-learn's classifier, chooses without the test part, and finds what can be found."""

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from components.contracts.errors import ConfigError
from components.contracts.evaluator import Downstream, Labelled
from components.evaluation.downstream.digits import Digits
from components.evaluation.probe import Probe, grey_pixels, probed
from tests.subjects import Told, subject_of

PARTS = np.array((["train"] * 6 + ["val"] * 2 + ["test"] * 2) * 20)


@pytest.fixture
def blobs():
    """Three classes around three points, features of another scale each, and 200 rows of them."""
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 3, len(PARTS)).astype(str)
    centres = draw.normal(size=(3, 5)) * [1, 10, 100, 0.1, 0]
    rows = centres[labels.astype(int)] + draw.normal(size=(len(PARTS), 5)) * [0.8, 8, 80, 0.08, 1]
    return rows.astype(np.float32), labels


def test_answers_are_those_of_scikit_learn(blobs):
    rows, labels = blobs
    fitted, tested = PARTS != "test", PARTS == "test"
    scaler = StandardScaler().fit(rows[fitted])
    peer = LogisticRegression(C=0.1, max_iter=2_000).fit(scaler.transform(rows[fitted]), labels[fitted])
    ours = probed({"pooled": rows}, labels, PARTS, [0.1])
    np.testing.assert_array_equal(ours.answers, peer.predict(scaler.transform(rows[tested])))
    assert (ours.answers == labels[tested]).mean() > 0.6


def test_the_penalty_and_the_space_are_chosen_by_the_validation_part(blobs):
    rows, labels = blobs
    noise = np.random.default_rng(1).normal(size=rows.shape).astype(np.float32)
    assert probed({"pooled": noise, "features": rows}, labels, PARTS, [0.1, 1.0]).space == "features"
    chosen = probed({"pooled": rows}, labels, PARTS, [1e-6, 1.0])
    assert chosen.penalty == 1.0, "so strong a penalty leaves nothing but the commonest class"


def test_of_equals_the_strongest_penalty_and_the_first_space_are_taken():
    labels = np.where(np.arange(len(PARTS)) % 2, "odd", "even")
    rows = np.where(labels == "odd", 5.0, -5.0)[:, None].astype(np.float32)
    chosen = probed({"pooled": rows, "features": rows}, labels, PARTS, [10.0, 0.1, 1.0])
    assert (chosen.space, chosen.penalty) == ("pooled", 0.1)
    assert (chosen.answers == labels[PARTS == "test"]).all()


def test_labels_of_the_test_part_are_never_read(blobs):
    rows, labels = blobs
    hidden = np.where(PARTS == "test", "hidden", labels)
    np.testing.assert_array_equal(
        probed({"pooled": rows}, hidden, PARTS, [0.1]).answers, probed({"pooled": rows}, labels, PARTS, [0.1]).answers
    )


class Squares(Downstream):
    """The squares by colour, of which two are commoner than the others."""

    name = "squares"
    about = "coloured squares"

    def __init__(self, pool) -> None:
        self.pool = pool

    def read(self) -> Labelled:
        labels = tuple(
            "pale" if group["category"] in ("pink", "green") else group["category"] for group in self.pool.groups
        )
        parts = tuple(("train", "val", "train", "test")[place % 4] for place in range(len(labels)))
        return Labelled(pictures=self.pool.pictures, keys=self.pool.keys, labels=labels, parts=parts)


def test_features_that_know_are_right_and_the_row_says_what_was_answered(squares):
    colours = sorted({group["category"] for group in squares.groups})
    known = [np.eye(5)[colours.index(group["category"])] for group in squares.groups]
    told = Told(dict(zip(squares.pictures, known, strict=True)), {})
    found = Probe(Squares(squares), spaces=["features"]).measure(subject_of(squares, told, told, {"train": [0]}))
    (metric,) = found.metrics
    assert (metric.name, metric.value, metric.n) == ("probe.squares.top1", 1, 12)
    assert "the image tower" in metric.method
    data = Squares(squares).read()
    labels, parts = np.array(data.labels), np.array(data.parts)
    dummy = DummyClassifier(strategy="most_frequent").fit(labels[parts != "test"], labels[parts != "test"])
    assert metric.chance == dummy.score(labels[parts == "test"], labels[parts == "test"])
    rows = found.rows["probe.squares"].to_pylist()
    assert [row["query"] for row in rows] == [key for key, part in zip(data.keys, parts, strict=True) if part == "test"]
    assert all(row["answer"] == row["label"] and row["right"] for row in rows)
    assert np.mean([row["baseline_answer"] == row["label"] for row in rows]) == metric.baseline


def test_features_that_know_nothing_leave_the_commonest_class(squares):
    told = Told(dict.fromkeys(squares.pictures, (1.0, 2.0)), {})
    (metric,) = Probe(Squares(squares)).measure(subject_of(squares, told, told, {"train": [0]})).metrics
    assert metric.value == metric.chance


def test_grey_pixels_of_digits_tell_most_of_them_apart():
    """What the baseline gets; scikit-learn's own pages have 97% for a support vector machine on half of these."""
    data = Digits().read()
    labels, parts = np.array(data.labels), np.array(data.parts)
    rows = grey_pixels(data.pictures)
    assert rows.shape == (1797, 256)
    assert 0 <= rows.min() <= rows.max() <= 1
    assert (probed({"pixels": rows}, labels, parts, [0.01]).answers == labels[parts == "test"]).mean() > 0.94


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"spaces": []}, "spaces is empty"),
        ({"penalties": []}, "at least one is needed"),
        ({"penalties": [1.0, 0.0]}, "above 0"),
    ],
)
def test_nothing_to_choose_from_is_refused(wrong, said):
    with pytest.raises(ConfigError, match=said):
        Probe(Digits(), **wrong)
