"""Vectors of labels by hand, in two dimensions."""

import numpy as np
import pytest

from components.evaluation.hard_data import FEW_TO_CHOOSE_BY
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
    answered = shown([RIGHT, UP, UP, DIAGONAL], [0, 1, 0, 1]).answered(vectors(RIGHT, UP), 10.0)
    assert answered.right.tolist() == [True, True, False, False]
    assert answered.judged()[0] == 0.5


def test_labels_count_alike_where_one_is_nearly_all_there_is():
    told, nine = vectors(RIGHT, UP), [RIGHT] * 9
    uneven = shown([*nine, RIGHT], [0] * 9 + [1]).answered(told, 10.0)
    assert uneven.judged()[0] == pytest.approx(0.5), "whoever always says the first"
    assert shown([RIGHT] * 4, [0, 0, 0, 1]).answered(told, 10.0).judged()[0] == 0.75


def test_of_two_that_are_as_often_right_the_surer_says_so():
    one, two = (shown([RIGHT, UP], [0, 1]).answered(vectors(RIGHT, UP, sharpness=s), 1.0) for s in (1.0, 4.0))
    assert one.judged()[0] == two.judged()[0] == 1.0
    assert two.judged()[1] > one.judged()[1]
    assert 1.0 < one.score() < two.score() < 1.0 + TIE


def test_of_many_it_is_no_more_than_their_share_and_of_few_less_than_a_picture():
    few, told = FEW_TO_CHOOSE_BY - 1, vectors(RIGHT, UP, sharpness=100.0)
    least = shown([UP, *[RIGHT] * (few - 1)], [0] * few).answered(told, 10.0).score()
    assert least == pytest.approx((few - 1) / few, abs=TIE)
    assert shown([RIGHT] * few, [0] * few).answered(vectors(RIGHT, UP, sharpness=0.001), 10.0).score() > least
    assert shown([RIGHT] * FEW_TO_CHOOSE_BY, [0] * FEW_TO_CHOOSE_BY).answered(told, 10.0).score() == 1.0


def test_one_label_that_is_ruled_out_does_not_make_the_mean_infinite():
    ruled_out = shown([RIGHT], [1]).answered(vectors(RIGHT, [-1.0, 0.0]), 1e4)
    assert ruled_out.judged()[1] == pytest.approx(np.log(1e-12))
