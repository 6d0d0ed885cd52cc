"""Typos: as many as the strength says, in letters alone, the same for the same text."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as some

from components.evaluation.typos import STRENGTHS, TYPOS, mistyped

NAME = "smiling face"  # eleven letters: two, three and four are hit


@pytest.mark.parametrize(("strength", "count"), [(1, 2), (2, 3), (3, 4)])
def test_as_many_letters_are_hit_as_the_strength_says(strength, count):
    assert len(mistyped(NAME, "drop", strength, 0)) == len(NAME) - count
    assert len(mistyped(NAME, "insert", strength, 0)) == len(NAME) + count
    assert len(mistyped(NAME, "double", strength, 0)) == len(NAME) + count
    swapped = mistyped(NAME, "swap", strength, 0)
    assert sum(one != other for one, other in zip(swapped, NAME, strict=True)) == 2 * count


def test_swapped_letters_are_those_of_the_text_and_stay_in_their_words():
    for seed in range(20):
        swapped = mistyped(NAME, "swap", 3, seed)
        assert [sorted(word) for word in swapped.split(" ")] == [sorted(word) for word in NAME.split(" ")]


def test_a_doubled_letter_stands_twice_in_a_row():
    assert mistyped("ab", "double", 1, 0) in ("aab", "abb")


def test_a_letter_that_is_added_is_one_of_the_texts_own():
    for seed in range(20):
        assert set(mistyped("κόκκινη καρδιά", "insert", 3, seed)) == set("κόκκινη καρδιά")


def test_a_stronger_hit_drops_what_a_weaker_one_drops_and_more():
    for seed in range(20):
        left = [mistyped(NAME, "drop", strength, seed) for strength in STRENGTHS]
        for longer, shorter in pairwise(left):
            letters = iter(longer)
            assert all(letter in letters for letter in shorter), "it is a subsequence"


@pytest.mark.parametrize("text", ["", "100", "!? 7"])
@pytest.mark.parametrize("typo", TYPOS)
def test_a_text_without_letters_has_none_to_mistype(text, typo):
    assert mistyped(text, typo, 3, 0) == text


def test_what_cannot_be_changed_stays():
    assert mistyped("x", "drop", 3, 0) == "x", "a text without a letter would ask for nothing"
    assert mistyped("oo 8", "swap", 3, 0) == "oo 8", "nobody would see it"


@given(some.text(max_size=40), some.sampled_from(TYPOS), some.sampled_from(list(STRENGTHS)))
def test_any_text_can_be_mistyped_again_alike(text, typo, strength):
    typed = mistyped(text, typo, strength, 1)
    assert typed == mistyped(text, typo, strength, 1)
    if any(letter.isalpha() for letter in text):
        assert any(letter.isalpha() for letter in typed)


def test_another_seed_hits_other_letters():
    assert len({mistyped(NAME, "drop", 1, seed) for seed in range(20)}) > 5


def test_an_unknown_typo_is_refused():
    with pytest.raises(ValueError, match=r"'slip' is no typo\. Name one of swap, drop"):
        mistyped(NAME, "slip", 1, 0)
