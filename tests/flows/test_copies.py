"""Held-out pictures that are nearly copies of what is learnt from leave, where enough others are left."""

import pyarrow as pa

from flows.adapt_pools import without_copies


def splits():
    return {
        name: pa.table({"key": [f"{name}{place}" for place in range(count)]})
        for name, count in (("train", 40), ("val", 5), ("pair", 10))
    }


def test_a_few_leave_and_are_told():
    left, said = without_copies(splits(), {"val1", "pair3", "pair4", "train7"})
    assert {name: len(manifest) for name, manifest in left.items()} == {"train": 40, "val": 4, "pair": 8}
    assert said is not None
    assert (said.count, said.of) == (3, 15)
    assert "They are set aside" in said.sentence


def test_where_too_few_would_be_left_all_stay_and_that_is_told():
    left, said = without_copies(splits(), {"val1", "val2"})
    assert {name: len(manifest) for name, manifest in left.items()} == {"train": 40, "val": 5, "pair": 10}
    assert said is not None
    assert "They are measured on all the same" in said.sentence


def test_of_none_nothing_is_said():
    assert without_copies(splits(), set())[1] is None
