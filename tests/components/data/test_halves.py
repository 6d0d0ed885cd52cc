"""Halves of a set have no picture in common, each group in both, and follow from the pictures alone."""

from dataclasses import replace

import pytest

from components.contracts.errors import ConfigError, DataError
from components.data.halves import half_of, halves
from tests.squares import COLOURS
from tests.subjects import part_of


def test_both_together_are_the_whole_and_each_has_every_group_as_often(squares):
    first, second = halves(squares)
    assert sorted(first.keys + second.keys) == sorted(squares.keys)
    assert {*first.pictures}.isdisjoint(second.pictures)
    things = [set(zip(half.labelled("category"), half.concepts, strict=True)) for half in (first, second)]
    for colour in COLOURS:
        counts = [sum(group == colour for group, _ in its) for its in things]
        assert sum(counts) == 5
        assert abs(counts[0] - counts[1]) == 1, "five do not halve"
    for half in (first, second):
        places = [squares.keys.index(key) for key in half.keys]
        assert places == sorted(places), "in the order of the whole"
        assert [half.pictures[place] for place in range(len(half))] == [squares.pictures[place] for place in places]
        assert half.captions == tuple(squares.captions[place] for place in places)


def test_which_half_does_not_depend_on_the_order_or_the_keys(squares):
    turned = part_of(squares, range(len(squares) - 1, -1, -1))
    named = replace(turned, keys=tuple(f"k{place}" for place in range(len(turned))))
    assert {*halves(named)[0].pictures} == {*halves(squares)[0].pictures}


def test_what_shows_one_thing_or_is_the_same_to_the_byte_is_in_one_half(squares):
    thing = replace(
        squares,
        concepts=("one", "one", *squares.concepts[2:]),
        pictures=(*squares.pictures[:2], squares.pictures[1], *squares.pictures[3:]),
    )
    for half in halves(thing):
        assert sum(key in half.keys for key in squares.keys[:3]) in (0, 3)
    with pytest.raises(DataError, match="50 pictures show one thing"):
        halves(replace(squares, concepts=("one",) * 50))


def test_a_half_knows_the_series_of_its_pictures(squares):
    said = replace(squares, series=squares.keys)
    assert [half.series for half in halves(said)] == [half.keys for half in halves(said)]


def test_a_half_is_asked_for_by_its_name(squares):
    assert half_of(squares, "whole") is squares
    assert (half_of(squares, "first").keys, half_of(squares, "second").keys) == tuple(
        half.keys for half in halves(squares)
    )
    with pytest.raises(ConfigError, match="half is 'third'"):
        half_of(squares, "third")
