"""Samples belong together that have the same in a column, or others between them that have."""

from components.data.together import together


def test_each_is_of_the_first_that_it_belongs_together_with():
    assert together(["a", "b", "a", "c"]) == [0, 1, 0, 3]


def test_what_one_column_keeps_apart_another_joins_through_those_between():
    concepts, series = ["a", "b", "c", "b", "d"], ["x", None, "y", "x", None]
    assert together(concepts, series) == [0, 0, 2, 0, 4]
    assert together(series, concepts) == [0, 0, 2, 0, 4]


def test_what_has_nothing_in_a_column_belongs_to_nobody_by_it():
    assert together([None, None, "x", "x"]) == [0, 1, 2, 2]


def test_a_column_of_which_nothing_is_known_says_nothing():
    assert together(["a", "b"], ()) == [0, 1]
    assert together() == together((), ()) == []


def test_the_same_word_in_two_columns_is_not_the_same():
    assert together(["a", "b"], ["b", "a"]) == [0, 1]
