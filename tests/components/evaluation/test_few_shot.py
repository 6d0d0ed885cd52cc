"""Few-shot draws so many of each class, never of the test part, and more of them are not worse where there is something to know."""

import numpy as np
import pytest

from components.contracts.errors import ConfigError
from components.evaluation.downstream.digits import Digits
from components.evaluation.few_shot import FewShot, drawn
from components.evaluation.probe import logistic
from tests.components.evaluation.test_probe import Squares
from tests.subjects import Told, subject_of


def test_so_many_of_each_class_are_drawn_and_none_of_another_part():
    labels, among = np.array(["a"] * 10 + ["b"] * 5 + ["c"] * 3), np.arange(18) % 3 < 2
    taken = drawn(labels, among, 2, np.random.default_rng(0))
    assert dict(zip(*np.unique(labels[taken], return_counts=True), strict=True)) == {"a": 2, "b": 2, "c": 2}
    assert not (taken & ~among).any()
    assert any((drawn(labels, among, 2, np.random.default_rng(seed)) != taken).any() for seed in range(1, 4))


def noisy(squares, spread: float) -> Told:
    colours, draw = sorted({group["category"] for group in squares.groups}), np.random.default_rng(0)
    known = [np.eye(5)[colours.index(group["category"])] + draw.normal(0, spread, 5) for group in squares.groups]
    return Told(dict(zip(squares.pictures, known, strict=True)), {})


def test_each_number_is_the_mean_of_draws_that_scikit_learn_answers(squares):
    told, data = noisy(squares, 0.5), Squares(squares).read()
    found = FewShot(Squares(squares), shots=[1, 4], draws=3).measure(subject_of(squares, told, told, {"train": [0]}))
    assert [metric.name for metric in found.metrics] == [
        "few_shot.squares.shots_1.top1",
        "few_shot.squares.shots_4.top1",
    ]
    labels, parts = np.array(data.labels), np.array(data.parts)
    rows = told.encoded(data.pictures, ("pooled",), lambda *_: None, "")["pooled"]
    for metric, shots in zip(found.metrics, (1, 4), strict=True):
        shares = []
        for draw in range(3):
            fitted = drawn(labels, parts == "train", shots, np.random.default_rng((0, shots, draw)))
            answers = logistic(rows, labels, fitted, 1.0).predict(rows[parts == "test"])
            shares.append((answers == labels[parts == "test"]).mean())
        assert metric.value == pytest.approx(np.mean(shares))
        assert (metric.n, metric.chance) == (12, 1 / 4)
    assert found.metrics[0].value <= found.metrics[1].value


def test_a_class_with_too_few_is_said_and_the_others_are_measured(squares):
    told = noisy(squares, 0.1)
    found = FewShot(Squares(squares), shots=[1, 16], draws=2).measure(subject_of(squares, told, told, {"train": [0]}))
    assert [metric.name for metric in found.metrics] == ["few_shot.squares.shots_1.top1"]
    (why,) = found.without.values()
    assert "pictures to draw from, fewer than 16" in why


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"shots": []}, "shots is"), ({"shots": [0]}, "shots is"), ({"shots": [2, 2]}, "once"), ({"draws": 0}, "Draw at least once"), ({"penalty": 0.0}, "above 0")],
)  # fmt: skip
def test_numbers_out_of_range_are_refused(wrong, said):
    with pytest.raises(ConfigError, match=said):
        FewShot(Digits(), **wrong)
