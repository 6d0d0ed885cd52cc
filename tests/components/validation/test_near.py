"""The bands lose no neighbour: what they find is what comparing all pairs finds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.validation.near import HASH_BITS, MOST, Nearness, Prints, band_pairs

hashes = st.integers(0, 2**64 - 1)


def prints(values, colours=None) -> Prints:
    values = np.array(list(values), np.uint64)
    return Prints(hashes=values, colours=np.zeros((len(values), 3), np.float32) if colours is None else colours)


def by_hand(asked: Prints, held: Prints, near: Nearness, itself: bool) -> tuple[list[int], list[int]]:
    """Return the same by comparing all pairs."""
    others, distances = [], []
    for i, mine in enumerate(asked.hashes.tolist()):
        best = (-1, -1)
        for j, its in enumerate(held.hashes.tolist()):
            bits = (mine ^ its).bit_count()
            alike = (np.abs(asked.colours[i] - held.colours[j]) <= near.colour).all()
            if bits <= near.bits and alike and not (itself and i == j) and (best[0] < 0 or bits < best[1]):
                best = (j, bits)
        others.append(best[0])
        distances.append(best[1])
    return others, distances


@st.composite
def crowd(draw) -> Prints:
    """Prints around a few centres, a few bits and a shade apart."""
    centres = draw(st.lists(hashes, min_size=1, max_size=3))
    flips = st.lists(st.integers(0, HASH_BITS - 1), max_size=6)
    values = [
        draw(st.sampled_from(centres)) ^ sum(1 << bit for bit in set(draw(flips)))
        for _ in range(draw(st.integers(0, 12)))
    ]
    shades = [[draw(st.sampled_from([0.0, 0.04, 0.5]))] * 3 for _ in values]
    return prints(values, np.array(shades, np.float32).reshape(-1, 3))


@given(crowd(), crowd(), st.integers(0, 6))
def test_they_find_what_all_pairs_find(asked, held, bits):
    near = Nearness(bits=bits)
    found = near.nearest(asked, held)
    assert (found[0].tolist(), found[1].tolist()) == by_hand(asked, held, near, itself=False)


@given(crowd(), st.integers(0, 6))
def test_nobody_is_near_itself(crowd, bits):
    near = Nearness(bits=bits)
    found = near.nearest(crowd, crowd, itself=True)
    assert (found[0].tolist(), found[1].tolist()) == by_hand(crowd, crowd, near, itself=True)


@given(crowd(), st.integers(0, 6))
def test_among_those_before_it_each_finds_what_it_would_find_among_them_alone(crowd, bits):
    near = Nearness(bits=bits)
    found = near.nearest(crowd, crowd, itself=True, earlier=True)[0].tolist()
    alone = [near.nearest(crowd.of(np.array([at])), crowd.of(np.arange(at)))[0].tolist() for at in range(len(crowd))]
    assert [[one] for one in found] == alone


@given(crowd(), crowd(), st.integers(0, 6), st.integers(1, 5))
def test_a_few_at_once_find_what_all_do(asked, held, bits, at_once):
    all_at_once, few = Nearness(bits=bits), Nearness(bits=bits, at_once=at_once)
    for prints_held, how in ((held, {}), (asked, {"itself": True}), (asked, {"itself": True, "earlier": True})):
        found, expected = (near.nearest(asked, prints_held, **how) for near in (few, all_at_once))
        assert [one.tolist() for one in found] == [one.tolist() for one in expected]


@given(hashes, st.sets(st.integers(0, HASH_BITS - 1), max_size=8), st.integers(0, 8))
def test_some_pair_of_bands_is_equal_where_few_bits_differ(value, flipped, bits):
    other = value ^ sum(1 << bit for bit in flipped)
    if len(flipped) <= bits:
        assert any((value ^ other) & int(mask) == 0 for mask in band_pairs(bits))


@pytest.mark.parametrize("bits", [0, 4])
def test_every_bit_lies_in_as_many_pairs_as_every_other(bits):
    masks = [int(mask) for mask in band_pairs(bits)]
    assert {sum(mask >> bit & 1 for mask in masks) for bit in range(HASH_BITS)} == {bits + 1}


def test_the_nearest_is_given_and_of_equals_the_first():
    held = prints([0b111, 0b1, 0b10, 0])
    other, bits = Nearness(bits=3).nearest(prints([0b11, 0, 2**64 - 1]), held)
    assert other.tolist() == [0, 3, -1]
    assert bits.tolist() == [1, 0, -1]


def test_a_crowd_of_copies_is_not_compared_all_with_all(monkeypatch):
    compared, compare = [], Nearness._compare

    def counted(self, best, asked, held, some, *rest):
        compared.append(len(some))
        compare(self, best, asked, held, some, *rest)

    monkeypatch.setattr(Nearness, "_compare", counted)
    copies, near = prints([7] * (4 * MOST)), Nearness(bits=2)
    found, bits = near.nearest(copies, copies, itself=True)
    assert (found[:2].tolist(), set(found[2:].tolist()), set(bits.tolist())) == ([1, 0], {0}, {0})
    assert sum(compared) == len(copies) * MOST * len(band_pairs(2))
