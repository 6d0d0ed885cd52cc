"""Of which kind of pictures more are wanted, on answers of which it is known."""

from components.evaluation.wanted import Wanted, kinds_of, wanted


def test_the_kind_that_is_clearly_missed_oftenest_is_wanted():
    kinds = [["cat"]] * 20 + [["dog"]] * 20 + [["owl"]] * 3
    missed = [False] * 18 + [True] * 2 + [True] * 12 + [False] * 8 + [True, True, False]
    assert wanted(kinds, missed) == Wanted(kind="dog", missed=12, asked=20), (
        "two of three owls say less than twelve of twenty dogs"
    )


def test_nothing_is_wanted_where_all_kinds_fare_alike_or_there_is_one():
    assert wanted([["cat"], ["dog"]] * 10, [False] * 20) is None
    assert wanted([["cat"]] * 10, [True] * 10) is None
    assert wanted([["cat"], ["cat"], ["dog"], ["dog"]], [True] * 4) is None, "of fewer than three nothing is said"
    assert wanted([], []) is None


def test_kinds_are_labels_or_else_the_words_of_captions():
    keys, captions = ["a", "b"], [["A red Circle", "it is red"], ["a blue square"]]
    assert kinds_of(keys, captions, ["round", None]) == {"a": ("red", "circle"), "b": ("blue", "square")}
    assert kinds_of(keys, captions, ["round", "edged"]) == {"a": ("round",), "b": ("edged",)}
