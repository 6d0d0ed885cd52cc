"""Ranks in blocks are those of the whole matrix, whatever the block, and no matrix is ever there."""

import itertools
from fractions import Fraction
from math import comb, log, prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import average_precision_score

from components.contracts.errors import DataError
from components.evaluation.ranking import Cosines, Right, chance_of, median_chance, placed, precision_chance, twins
from components.evaluation.retrieval import nearest, ranks


@given(
    scores=arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.sampled_from([0, 0.25, 0.5, 1])),
    rows=st.integers(1, 7),
    data=st.data(),
)  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_in_blocks_as_in_one(scores, rows, data):
    belongs = data.draw(arrays(bool, scores.shape).filter(lambda b: b.any(1).all()))
    found = placed(scores, Right.of_matrix(belongs), block_bytes=4 * scores.shape[1] * rows)
    assert found.rank.tolist() == ranks(scores, belongs).tolist()
    assert found.score.tolist() == scores.max(1).tolist()
    first_right = belongs[np.arange(len(scores)), found.first]
    assert first_right.tolist() == (found.rank == 1).tolist()
    assert first_right.tolist() == belongs[np.arange(len(scores)), nearest(scores, belongs)].tolist()
    assert scores[np.arange(len(scores)), found.first].tolist() == found.score.tolist()


@given(belongs=arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 6))))
def test_there_and_back(belongs):
    right = Right.of_matrix(belongs)
    assert right.matrix.tolist() == belongs.tolist()
    assert right.turned.matrix.tolist() == belongs.T.tolist()
    assert right.counts.tolist() == belongs.sum(1).tolist()
    rows = belongs.tolist()
    assert right.alike().tolist() == [rows.index(row) for row in rows]


def test_cosines_are_computed_a_block_at_a_time():
    draws = np.random.default_rng(0)
    image, text = (draws.standard_normal((count, 8)).astype(np.float32) for count in (40, 70))
    asked = []

    class Watched(Cosines):
        def __getitem__(self, rows):
            asked.append(rows.stop - rows.start)
            return super().__getitem__(rows)

    belongs = np.zeros((40, 70), bool)
    belongs[np.arange(40), np.arange(40)] = True
    found = placed(Watched(left=image, right=text), Right.of_matrix(belongs), block_bytes=4 * 70 * 7)
    assert (max(asked), sum(asked)) == (7, 40)
    assert found.rank.tolist() == ranks(image @ text.T, belongs).tolist()
    turned = Cosines(left=image, right=text).T
    assert turned.shape == (70, 40)
    np.testing.assert_allclose(turned[3:5], (text @ image.T)[3:5], rtol=1e-5, atol=1e-6)


def test_rows_that_are_the_same_have_the_same_cosines_wherever_they_stand():
    assert twins(np.float32([[1, 0], [0, 1], [1, 0], [0, 1], [1, 0]])).tolist() == [[2, 3, 4], [0, 1, 0]]
    assert twins(np.float32([[1, 0], [0, 1]])).shape == (2, 0)
    draws = np.random.default_rng(0)
    for size in range(1, 40):  # a product's edge is summed in another order, on some processors
        one = draws.normal(size=(1, 67)).astype(np.float32)
        scores = Cosines(left=draws.normal(size=(5, 67)).astype(np.float32), right=np.repeat(one, size, axis=0))[:]
        assert (scores == scores[:, :1]).all()


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_embeddings_that_are_no_numbers_are_refused(broken):
    image = np.ones((3, 2), np.float32)
    image[2, 1] = broken
    with pytest.raises(DataError, match=r"no numbers.*Look at the weights"):
        placed(Cosines(left=image, right=np.ones((3, 2), np.float32)), Right.of_matrix(np.eye(3, dtype=bool)))


def test_a_query_with_nothing_that_belongs_to_it_is_named():
    belongs = np.eye(3, dtype=bool)
    belongs[1, 1] = False
    with pytest.raises(DataError, match="query \\(number 1 of 3\\) has nothing in the gallery"):
        placed(np.zeros((3, 3)), Right.of_matrix(belongs))


@pytest.mark.parametrize("answers", [6, 60])
def test_average_precision_is_that_of_scikit_learn(answers):
    """With few right answers, which are counted one by one, and with many, for which all are sorted."""
    draws = np.random.default_rng(1)
    scores, belongs = draws.standard_normal((30, answers)).astype(np.float32), draws.random((30, answers)) < 0.5
    belongs[:, 0] = True
    found = placed(scores, Right.of_matrix(belongs), block_bytes=4 * answers * 7).precision
    wanted = [average_precision_score(right, its) for right, its in zip(belongs, scores, strict=True)]
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


@pytest.mark.parametrize("more", [0, 10])
def test_a_tie_with_a_wrong_answer_counts_as_lost(more):
    """Two right answers level with two wrong ones stand third and fourth; as many more that are right stand behind."""
    scores = np.array([[1.0] * 4 + [0.5] * more], np.float32)
    belongs = np.array([[True, False, True, False] + [True] * more])
    places = [3, 4, *range(5, 5 + more)]
    wanted = np.mean([right / place for right, place in enumerate(places, 1)])
    assert placed(scores, Right.of_matrix(belongs)).precision.tolist() == [pytest.approx(wanted)]


@pytest.mark.parametrize(("right", "gallery"), [([1], 1), ([1], 4), ([2], 4), ([4], 4), ([1, 3], 5)])
def test_chance_is_what_trying_every_order_gives(right, gallery):
    precisions, ranks = [], []
    for count in right:
        for order in itertools.permutations(range(gallery)):
            places = sorted(place for place, answer in enumerate(order, 1) if answer < count)
            precisions.append(np.mean([k / place for k, place in enumerate(places, 1)]))
            ranks.append(places[0])
    assert precision_chance(np.array(right), gallery) == pytest.approx(np.mean(precisions))
    assert median_chance(np.array(right), gallery) == np.quantile(ranks, 0.5, method="inverted_cdf")


@given(gallery=st.integers(1, 400), data=st.data())
def test_chance_is_that_of_drawing_k_answers(gallery, data):
    right = np.array(data.draw(st.lists(st.integers(1, gallery), min_size=1, max_size=4)))
    k = data.draw(st.integers(1, gallery + 3))
    misses = [comb(gallery - int(count), k) / comb(gallery, k) if k <= gallery else 0.0 for count in right]
    assert chance_of(k, right, gallery) == pytest.approx(1 - np.mean(misses), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("count", [5, 1_000_000])
def test_chance_in_a_gallery_of_ten_millions_is_counted_in_no_large_integers(count):
    """By integers of k factors, with k in millions, this would take hours."""
    gallery = 10_000_000
    middle = median_chance(np.array([count]), gallery)

    def miss(k: int) -> float:
        return float(prod(Fraction(gallery - k - place, gallery - place) for place in range(5)))

    if count == 5:
        assert miss(middle) <= 0.5 < miss(middle - 1)
        assert chance_of(middle, np.array([5]), gallery) == pytest.approx(1 - miss(middle), rel=1e-12)
    else:
        assert middle == int(np.ceil(log(0.5) / log(1 - count / gallery)))
