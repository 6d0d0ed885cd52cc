"""Ranks on matrices whose answer can be read off, and chance by trying every order."""

import itertools
import json
import subprocess
import sys
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from components.contracts.errors import DataError
from components.evaluation.bootstrap import mean_interval
from components.evaluation.ranking import Right
from components.evaluation.retrieval import Gallery, chance_at, nearest, ranks, recall_at_1, retrieval

ONE_EACH = np.eye(3, dtype=bool)
SCORES = np.array(
    [
        [0.9, 0.1, 0.2],  # right first
        [0.8, 0.5, 0.1],  # right second
        [0.3, 0.4, 0.2],  # right last
    ]
)


def gallery(belongs: np.ndarray = ONE_EACH) -> Gallery:
    pictures, texts = (tuple(f"{kind}{i}" for i in range(n)) for kind, n in zip("pt", belongs.shape, strict=True))
    return Gallery(pictures=pictures, texts=texts, right=Right.of_matrix(belongs))


def test_ranks_by_eye():
    assert ranks(SCORES, ONE_EACH).tolist() == [1, 2, 3]
    assert ranks(SCORES.T, ONE_EACH).tolist() == [1, 1, 2]  # columns: 0.9 first, 0.5 first, 0.2 ties with 0.2


@pytest.mark.parametrize(
    ("row", "belongs", "rank"),
    [
        ([0.5, 0.5, 0.1], [1, 0, 0], 2),  # a tie with a wrong one is lost
        ([0.5, 0.5, 0.5], [0, 1, 0], 3),  # all alike is last
        ([0.5, 0.5, 0.5], [1, 1, 1], 1),  # nothing is wrong
        ([0.5, 0.5, 0.1], [1, 1, 0], 1),  # a tie among right ones is none
        ([0.1, 0.9, 0.5], [1, 0, 1], 2),  # of two right ones the better counts
        ([0.9, 0.8, 0.7], [0, 1, 1], 2),
        ([-1.0, -1.0, -1.0], [1, 0, 0], 3),  # a text that the baseline never saw
    ],
)
def test_ties_and_several_right_answers_by_eye(row, belongs, rank):
    assert ranks(np.array([row]), np.array([belongs], bool)).tolist() == [rank]


def test_a_model_that_scores_all_alike_finds_nothing():
    metrics, rows = retrieval("val", gallery(), np.zeros((3, 3)), SCORES, ks=(1, 2, 3))
    assert [metric.value for metric in metrics] == [0, 0, 1] * 2 + [pytest.approx(1 / 3)] + [
        3,
        pytest.approx(1 / 3),
    ] * 2
    assert not any(rows["first_right"].to_pylist())


@given(
    scores=arrays(
        np.float32, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.sampled_from([0, 0.25, 0.5, 1])
    ),
    data=st.data(),
)
@settings(max_examples=100)
def test_ranks_are_those_of_sorting_with_wrong_answers_first(scores, data):
    belongs = data.draw(arrays(bool, scores.shape).filter(lambda b: b.any(1).all()))
    for row, (values, right) in enumerate(zip(scores, belongs, strict=True)):
        order = sorted(range(len(values)), key=lambda i: (-values[i], right[i]))
        assert ranks(scores, belongs)[row] == 1 + next(place for place, i in enumerate(order) if right[i])
        assert belongs[row, nearest(scores, belongs)[row]] == right[order[0]]
        assert values[nearest(scores, belongs)[row]] == values.max()


def test_recall_both_ways_by_eye():
    metrics, _ = retrieval("pair", gallery(), SCORES, np.eye(3), ks=(1, 2, 10))
    values = {metric.name: (metric.value, metric.baseline, metric.chance, metric.n) for metric in metrics}
    assert values == {
        "retrieval.pair.image_to_text.median_rank": (2, 1, 2, 3),
        "retrieval.pair.image_to_text.mean_average_precision": (pytest.approx(11 / 18), 1, pytest.approx(11 / 18), 3),
        "retrieval.pair.text_to_image.median_rank": (1, 1, 2, 3),
        "retrieval.pair.text_to_image.mean_average_precision": (pytest.approx(5 / 6), 1, pytest.approx(11 / 18), 3),
        "retrieval.pair.image_to_text.recall_at_1": (pytest.approx(1 / 3), 1, pytest.approx(1 / 3), 3),
        "retrieval.pair.image_to_text.recall_at_2": (pytest.approx(2 / 3), 1, pytest.approx(2 / 3), 3),
        "retrieval.pair.image_to_text.recall_at_10": (1, 1, 1, 3),
        "retrieval.pair.text_to_image.recall_at_1": (pytest.approx(2 / 3), 1, pytest.approx(1 / 3), 3),
        "retrieval.pair.text_to_image.recall_at_2": (1, 1, pytest.approx(2 / 3), 3),
        "retrieval.pair.text_to_image.recall_at_10": (1, 1, 1, 3),
        "retrieval.pair.mean_recall": (pytest.approx(7 / 9), 1, pytest.approx(2 / 3), 6),
    }
    assert {(metric.unit, metric.better) for metric in metrics} == {("fraction", "up"), ("rank", "down")}


def test_one_row_a_query_says_what_was_found():
    _, rows = retrieval("pair", gallery(), SCORES, np.eye(3), ks=(1,))
    assert rows.to_pylist()[1] == {
        "split": "pair", "direction": "image_to_text", "query": "p1", "group": "p1", "rank": 2, "baseline_rank": 1,
        "average_precision": 0.5, "first": "t0", "first_score": pytest.approx(0.8), "first_right": False,
    }  # fmt: skip
    assert rows.to_pylist()[5] == {
        "split": "pair", "direction": "text_to_image", "query": "t2", "group": "p2", "rank": 2, "baseline_rank": 1,
        "average_precision": 0.5, "first": "p0", "first_score": pytest.approx(0.2), "first_right": False,
    }  # fmt: skip
    assert len(rows) == 6
    assert all((row["rank"] == 1) == row["first_right"] for row in rows.to_pylist())


def test_recall_at_1_is_what_retrieval_says():
    metrics, _ = retrieval("val", gallery(), SCORES, SCORES, ks=(1,))
    assert list(recall_at_1(SCORES, ONE_EACH).values()) == [metric.value for metric in metrics[:2]]


def test_both_ways_weigh_the_same_however_many_queries_each_has():
    """Two pictures, three texts of the second: both pictures are right first, two of four texts, and by chance a half."""
    belongs = np.array([[1, 0, 0, 0], [0, 1, 1, 1]], bool)
    scores = np.array([[0.9, 0.1, 0.8, 0.8], [0.1, 0.5, 0.2, 0.2]])
    metrics, _ = retrieval("pair", gallery(belongs), scores, np.zeros((2, 4)), ks=(1,))
    (mean,) = [metric for metric in metrics if metric.name.endswith("mean_recall")]
    assert (mean.name, mean.value, mean.n, mean.baseline) == ("retrieval.pair.mean_recall", (1 + 1 / 2) / 2, 6, 0)
    assert mean.chance == pytest.approx(((1 / 4 + 3 / 4) / 2 + 1 / 2) / 2)


def test_a_group_is_pictures_of_the_same_texts_with_these():
    """Two pictures share two texts, one has a text of its own, and one shares a third text with it alone."""
    belongs = np.array([[1, 1, 0, 0], [0, 0, 1, 0], [1, 1, 0, 0], [0, 0, 1, 1]], bool)
    assert gallery(belongs).about("image_to_text").tolist() == [0, 1, 0, 3]
    assert gallery(belongs).about("text_to_image").tolist() == [0, 0, 1, 3]
    _, rows = retrieval("pair", gallery(belongs), np.eye(4), np.eye(4), ks=(1,))
    assert rows["group"].to_pylist() == ["p0", "p1", "p0", "p3", "p0", "p0", "p1", "p3"]


def test_pictures_of_one_series_are_a_group_with_the_texts_of_all():
    """The second picture is of the third's series, and that has the texts of the first."""
    captions, concepts = [["a"], ["b"], ["a"], ["c"]], ["a", "b", "a", "c"]
    made = Gallery.of(["p0", "p1", "p2", "p3"], captions, concepts, (None, "x", "x", None))
    assert made.about("image_to_text").tolist() == [0, 0, 0, 3]
    assert made.about("text_to_image").tolist() == [0, 0, 3]
    assert made.belongs.tolist() == Gallery.of(made.pictures, captions, concepts).belongs.tolist(), (
        "what is right stays"
    )
    _, rows = retrieval("pair", made, np.eye(4, 3), np.eye(4, 3), ks=(1,))
    assert rows["group"].to_pylist() == ["p0", "p0", "p0", "p3", "p0", "p0", "p3"]


def test_each_recall_has_the_interval_of_its_queries_and_the_mean_that_of_both_ways_together():
    """A model that is right both ways or wrong both ways, about each of 40 pictures: the mean is as unsure as either."""
    belongs, knows = np.eye(40, dtype=bool), np.arange(40) % 4 > 0
    scores = np.where(belongs & knows[:, None], 1.0, 0.0)
    metrics, _ = retrieval("pair", gallery(belongs), scores, np.eye(40), ks=(1,), seed=5)
    recalls = [metric for metric in metrics if "recall" in metric.name]
    assert [metric.value for metric in recalls] == [0.75] * 3
    wanted = mean_interval(knows, range(40), seed=5)
    assert [(metric.low, metric.high) for metric in recalls] == [pytest.approx(wanted, abs=0.03)] * 3
    again, _ = retrieval("pair", gallery(belongs), scores, np.eye(40), ks=(1,), seed=5)
    assert again == metrics


def test_queries_of_one_group_alone_have_no_interval():
    metrics, _ = retrieval("pair", gallery(np.ones((2, 2), bool)), np.eye(2), np.eye(2), ks=(1,))
    assert len(metrics) == 3 + 4
    assert {(metric.low, metric.high) for metric in metrics} == {(None, None)}


def test_of_no_recall_there_is_no_mean():
    assert not any("recall" in metric.name for metric in retrieval("val", gallery(), SCORES, SCORES, ks=())[0])


@pytest.mark.parametrize(
    "belongs",
    [[[1, 0, 0, 0]], [[1, 1, 0, 0]], [[1, 1, 1, 1]], [[1, 0, 0, 0], [0, 1, 1, 0]], [[1, 1, 1, 0], [0, 0, 0, 1]]],
)
@pytest.mark.parametrize("k", [1, 2, 3, 4, 7])
def test_chance_is_what_trying_every_order_gives(belongs, k):
    belongs = np.array(belongs, bool)
    size, hits = belongs.shape[1], 0
    for order in itertools.permutations(range(size)):
        hits += sum(any(right[i] for i in order[:k]) for right in belongs)
    assert chance_at(k, belongs) == pytest.approx(hits / (factorial(size) * len(belongs)))


def test_chance_is_recall_of_scores_drawn_blindly():
    belongs = np.array([[1, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 1]], bool)
    drawn = np.random.default_rng(0).random((4000, 3, 5))
    found = np.mean([(ranks(scores, belongs) <= 2).mean() for scores in drawn])
    assert chance_at(2, belongs) == pytest.approx(found, abs=0.02)  # four deviations of 12,000 draws


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_scores_that_are_no_numbers_are_refused(broken):
    scores = SCORES.copy()
    scores[1, 2] = broken
    with pytest.raises(DataError, match="no numbers"):
        ranks(scores, ONE_EACH)


def test_a_query_without_an_answer_is_refused():
    belongs = ONE_EACH.copy()
    belongs[1, 1] = False
    with pytest.raises(DataError, match="nothing in the gallery"):
        retrieval("val", gallery(belongs), SCORES, SCORES, ks=(1,))


def test_pictures_and_texts_of_one_concept_belong_together():
    made = Gallery.of(
        keys=["a1", "a2", "b1"], captions=[["heart", "red heart"], ["heart"], ["star"]], concepts=["a", "a", "b"]
    )
    assert made.pictures == ("a1", "a2", "b1")
    assert made.texts == ("heart", "red heart", "star")
    assert made.belongs.tolist() == [[True, True, False], [True, True, False], [False, False, True]]


def test_a_text_that_two_concepts_have_is_there_once_and_right_for_both():
    made = Gallery.of(keys=["a", "b", "c"], captions=[["chip"], ["chip", "fries"], ["tea"]], concepts=["a", "b", "c"])
    assert made.texts == ("chip", "fries", "tea")
    assert made.belongs.tolist() == [[True, False, False], [True, True, False], [False, False, True]]
    scores = np.array([[0.9, 0.1, 0.2], [0.9, 0.1, 0.2], [0.1, 0.2, 0.9]])
    assert ranks(scores, made.belongs).tolist() == [1, 1, 1]


def test_of_a_model_whose_training_pictures_nobody_knows_the_baseline_is_a_blind_guess():
    metrics, rows = retrieval("val", gallery(), SCORES, None, ks=(1, 2))
    assert [metric.baseline for metric in metrics] == [pytest.approx(metric.chance) for metric in metrics]
    assert [metric.value for metric in metrics] == [
        metric.value for metric in retrieval("val", gallery(), SCORES, SCORES, ks=(1, 2))[0]
    ]
    assert rows["baseline_rank"].null_count == len(rows)


def test_neither_scores_nor_what_belongs_together_nor_the_baseline_is_ever_whole():
    """Of 1,500 pictures and 40,000 texts each float32 would be 240 MB: Retrieval with its baseline whole took 454, and Slices with all whole 807."""
    command = [sys.executable, "-m", "tests.components.evaluation.peak", "1500", "40000"]
    said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert {name: its["numbers"] for name, its in said.items()} == {"Retrieval": 7, "Slices": 6}
    assert said["Retrieval"]["more_mb"] < 330
    assert said["Slices"]["more_mb"] < 330
