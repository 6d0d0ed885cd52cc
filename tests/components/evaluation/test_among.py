"""A gallery cut down to some of its answers, by hand and against the matrix."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from components.evaluation.among import SomeRows, among
from components.evaluation.ranking import Right


@given(belongs=arrays(np.bool_, st.tuples(st.integers(1, 8), st.integers(1, 9))), seed=st.integers(0, 99))
def test_what_is_right_among_some_answers_is_what_their_columns_say(belongs, seed):
    draw = np.random.default_rng(seed)
    columns = np.flatnonzero(draw.random(belongs.shape[1]) < 0.6)
    right, asked = among(Right.of_matrix(belongs), columns)
    cut = belongs[:, columns]
    assert asked.tolist() == np.flatnonzero(cut.any(1)).tolist()
    assert (right.matrix == cut[asked]).all()
    assert right.gallery == len(columns)


@given(rows=st.sets(st.integers(0, 19), min_size=1), begin=st.integers(0, 25), end=st.integers(0, 25))
def test_some_rows_are_those_of_the_whole(rows, begin, end):
    scores, its = np.arange(60.0).reshape(20, 3), np.array(sorted(rows))
    some = SomeRows(scores=scores, rows=its)
    assert (some[begin:end] == scores[its][begin:end]).all()
    assert some.shape == (len(rows), 3)
    assert (some.T[:] == scores[its].T).all()
