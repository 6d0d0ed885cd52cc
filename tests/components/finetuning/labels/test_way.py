"""Vectors of labels by hand, in two dimensions."""

import numpy as np
import pytest

from components.finetuning.labels.way import TIE, LabelVectors, Shown

UP, RIGHT, DIAGONAL = [0.0, 1.0], [1.0, 0.0], [2**-0.5, 2**-0.5]


def vectors(*rows, counts=None, sharpness=1.0) -> LabelVectors:
    return LabelVectors(vectors=np.array(rows, np.float32), counts=counts or (1,) * len(rows), sharpness=sharpness)


def shown(rows, label) -> Shown:
    return Shown(image=np.array(rows, np.float32), label=np.array(label))


def test_shares_are_a_softmax_over_all_vectors_summed_by_label():
    its = vectors(RIGHT, UP, UP, counts=(1, 2), sharpness=0.5).shares(np.array([RIGHT], np.float32), 2.0)
    np.testing.assert_allclose(its, [[np.e / (np.e + 2), 2 / (np.e + 2)]], rtol=1e-6)


def test_between_two_vectors_lies_one_of_unit_length():
    half = vectors(RIGHT).towards(vectors(UP), 0.5)
    np.testing.assert_allclose(half.vectors, [DIAGONAL], rtol=1e-6)


def test_on_the_way_to_several_vectors_the_one_is_there_as_often():
    at = vectors(RIGHT, UP).towards(vectors(UP, UP, RIGHT, RIGHT, counts=(2, 2)), 0.0)
    np.testing.assert_array_equal(at.vectors, np.array([RIGHT, RIGHT, UP, UP], np.float32))
    assert at.counts == (2, 2)


def test_what_is_right_is_counted_and_a_tie_is_wrong():
    told = vectors(RIGHT, UP)
    assert shown([RIGHT, UP, UP, DIAGONAL], [0, 1, 0, 1]).judged(told, 10.0) == pytest.approx(0.5, abs=TIE)


def test_labels_count_alike_where_one_is_nearly_all_there_is():
    told, nine = vectors(RIGHT, UP), [RIGHT] * 9
    assert shown([*nine, RIGHT], [0] * 9 + [1]).judged(told, 10.0) == pytest.approx(0.5, abs=TIE), (
        "whoever always says the first"
    )
    assert shown([RIGHT] * 4, [0, 0, 0, 1]).judged(told, 10.0) == pytest.approx(0.75, abs=TIE)


def test_of_two_that_are_as_often_right_the_surer_says_so():
    one, two = (shown([RIGHT, UP], [0, 1]).judged(vectors(RIGHT, UP, sharpness=s), 1.0) for s in (1.0, 4.0))
    assert 1.0 < one < two < 1.0 + TIE


def test_surer_counts_for_less_than_one_picture_of_many():
    many = 50_000
    least = shown([UP, *[RIGHT] * (many - 1)], [0] * many).judged(vectors(RIGHT, UP, sharpness=100.0), 10.0)
    assert shown([RIGHT] * many, [0] * many).judged(vectors(RIGHT, UP, sharpness=0.001), 10.0) > least


def test_one_label_that_is_ruled_out_does_not_decide_alone():
    told, left = vectors(RIGHT, [-1.0, 0.0]), [-1.0, 0.0]
    assert shown([RIGHT], [1]).judged(told, 1e4) == 0
    assert shown([*[RIGHT] * 70, *[left] * 29, RIGHT], [0] * 70 + [1] * 30).judged(told, 1e4) > 0.99 + 0.5 * TIE
