"""Captions that are nearly the same are one group; captions of one pattern, that each say something else, are not."""

import random

import numpy as np
import pyarrow as pa
import pytest

from components.validation.said_alike import said_alike, says_one_thing
from tests.near_captions import BASES, near_equal, spelled_alike, templated, unlike

LEAST = 20


def largest(captions: list[str], others: list[str]) -> tuple[int, int]:
    """Return how many of the captions are in one group, and how many of the others are in that group too."""
    group = said_alike(pa.array(others + captions), LEAST)
    values, counts = np.unique(group[len(others) :], return_counts=True)
    return int(counts.max()), int((group[: len(others)] == values[counts.argmax()]).sum())


@pytest.mark.parametrize("base", BASES)
def test_variations_of_one_caption_are_one_group_and_nothing_else_is_in_it(base):
    found, wrong = largest(near_equal(base, 40, edits=1), unlike(2000))
    assert found >= 0.8 * 40
    assert wrong == 0


def test_several_edits_of_a_longer_caption_are_found_too():
    for base in BASES[1:4]:
        assert largest(near_equal(base, 40, edits=3), unlike(500))[0] >= 0.8 * 40


@pytest.mark.parametrize("pattern", templated())
def test_templates_are_no_group(pattern):
    captions = templated()[pattern]
    same = max(captions.count(one) for one in captions)
    assert largest(captions, unlike(500))[0] == same


def test_two_values_that_are_spelled_alike_are_taken_for_one_thing_where_most_have_one():
    """What docs/checks.md says is not told apart."""
    assert largest(spelled_alike(), unlike(2000)) == (40, 0)


def test_variations_are_found_among_captions_that_all_hang_together():
    """A grammar of a few words makes everything near everything; the closer ones are then looked at alone."""
    grammar = templated()["three"]
    found, wrong = largest(near_equal("a red cat in the kitchen today with a friend", 40, edits=1), grammar)
    assert found >= 0.8 * 40
    assert wrong <= 2


def test_equal_captions_are_one_group_however_few():
    assert said_alike(pa.array(["A cat.", "a cat", "a dog", None, "12", "A  CAT 2"]), LEAST).tolist() == [
        0,
        0,
        1,
        -1,
        -1,
        0,
    ]


def test_the_order_of_captions_changes_no_group():
    captions = unlike(200) + near_equal(BASES[2], 30, edits=2)
    order = random.Random(1).sample(range(len(captions)), len(captions))
    before, after = (said_alike(pa.array(some), LEAST) for some in (captions, [captions[at] for at in order]))
    assert before[order].tolist() == after.tolist()


def test_a_word_of_its_own_is_one_that_few_others_have_or_spell_nearly_so():
    assert says_one_thing({"basketball game": 5, "basketbal game": 1, "game of basketball": 1, "basketball games": 1})
    assert not says_one_thing({"a photo of a cat": 3, "a photo of a dog": 3, "a photo of a bird": 3})
    assert not says_one_thing({"cat": 1, "dog": 1})


def test_no_captions_are_no_group():
    assert said_alike(pa.array([], pa.string()), LEAST).tolist() == []
    assert said_alike(pa.array([None], pa.string()), LEAST).tolist() == [-1]
