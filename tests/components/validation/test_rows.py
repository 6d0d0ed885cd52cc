"""Rows that go leave the others where they were, and equal values find each other whatever they are."""

from collections import defaultdict

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from components.validation.rows import groups
from tests.rows import row, rows


@given(st.lists(st.one_of(st.none(), st.sampled_from("abcdefgh"))))
def test_groups_are_all_positions_of_a_value_that_comes_twice(values):
    seen = defaultdict(list)
    for at, value in enumerate(values):
        if value is not None:
            seen[value].append(at)
    expected = [places for places in seen.values() if len(places) > 1]
    assert [group.tolist() for group in groups(pa.array(values, pa.string()))] == expected


def test_rows_keep_their_place_when_others_go():
    three = rows([row("a"), row("b", split="val"), row("c", "first", "second", split="pair")])
    left = three.without([0]).without([1])
    assert left.places.tolist() == [2]
    assert left.called(0) == "c (pair)"
    assert left.finding(0, "same_concept", "why").row == 2
    assert left.texts().text.to_pylist() == ["first", "second"]
    assert left.texts().owner.tolist() == [0, 0]
    assert three.trained.tolist() == [True, False, False]
    assert three.measured_with.tolist() == [False, True, True]
