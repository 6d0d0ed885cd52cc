"""Which pictures look nearly the same, among a million, without comparing all pairs.

Source: Manku, Jain, Das Sarma 2007, "Detecting Near-Duplicates for Web Crawling", section 3: two hashes that differ in at
most d bits agree in two of d + 2 bands. So hashes are sorted by every pair of bands, and only neighbours are compared.
Differs: a neighbour also has to have the same colours, which a hash of greys does not see; and where very many agree in
two bands, as copies of one placeholder do, each is compared with the first of them only, or a million would be all pairs.
Axes: P prints held, Q asked.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from jaxtyping import Float, Int64, UInt64
from numpy.typing import NDArray

from components.data.in_order import in_order

HASH_BITS = 64
AT_ONCE = 1 << 20  # prints whose neighbours are looked for at once, which bounds memory
MOST = 512  # compared with one print in one pair of bands
_NOBODY = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, kw_only=True)
class Prints:
    """What pictures look like.

    Args:
        hashes: perceptual_hash of each.
        colours: mean RGB, 0 to 1.
    """

    hashes: UInt64[np.ndarray, " P"]
    colours: Float[np.ndarray, "P 3"]

    def __len__(self) -> int:
        return len(self.hashes)

    def of(self, places: NDArray[np.int64]) -> "Prints":
        """Return some of them."""
        return Prints(hashes=self.hashes[places], colours=self.colours[places])


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearness:
    """How like two pictures are to be.

    Args:
        bits: of 64 that may differ.
        colour: most that the mean of a channel, 0 to 1, may differ.
        at_once: prints, more or less, whose neighbours are looked for at once, which bounds memory.
    """

    bits: int = 4
    colour: float = 0.05
    at_once: int = AT_ONCE

    def nearest(
        self, asked: Prints, held: Prints, itself: bool = False, earlier: bool = False
    ) -> tuple[Int64[np.ndarray, " Q"], NDArray[np.int64]]:
        """Return for every print asked the place among `held` of the nearest, -1 for none, and how many bits differ.

        The first is given of several that are equally near; among more than MOST that agree in two bands, the first MOST
        are looked at. With `itself`, `asked` is `held`, and nobody is near itself; with `earlier` too, nobody is near whom he
        stands before.
        """
        best = np.full(len(asked), _NOBODY)  # bits and place in one number: the smallest is the nearest, then the first
        for mask in band_pairs(self.bits) if len(held) else []:
            keys = _gathered(held.hashes, mask)
            wanted = keys if itself else _gathered(asked.hashes, mask)
            for those, mine in self._parts(keys, wanted, itself):
                self._within(best, asked, held, keys, wanted, those, mine, itself, earlier)
        found, held_so = best != _NOBODY, max(len(held), 1)
        return np.where(found, best % held_so, -1), np.where(found, best // held_so, -1)

    def _parts(
        self, keys: NDArray[np.uint64], wanted: NDArray[np.uint64], itself: bool
    ) -> Iterator[tuple[NDArray[np.int64] | None, NDArray[np.int64] | None]]:
        """Yield the places of keys, and of wanted ones, of which the upper bits are the same; None for all of them."""
        most = max(len(keys), len(wanted))
        if most <= self.at_once:
            yield None, None
            return
        bits = (-(-most // self.at_once) - 1).bit_length()
        shift = np.uint64(max(0, int(keys.max()).bit_length() - bits))
        for part in range((int(keys.max()) >> int(shift)) + 1):
            those = np.flatnonzero(keys >> shift == part)
            yield those, those if itself else np.flatnonzero(wanted >> shift == part)

    def _within(
        self, best: NDArray[np.int64], asked: Prints, held: Prints, keys: NDArray[np.uint64], wanted: NDArray[np.uint64],
        those: NDArray[np.int64] | None, mine: NDArray[np.int64] | None, itself: bool, earlier: bool,
    ) -> None:  # fmt: skip
        """Take the nearest of `those` held for each of `mine` asked, where it is nearer than what stands in `best`."""
        ordered, order = in_order(_at(keys, those))
        turn, starts, ends = _bounds(ordered, order, earlier) if itself else _places(ordered, _at(wanted, mine))
        order, turn = order if those is None else those[order], turn if mine is None else mine[turn]
        for start in range(0, len(turn), self.at_once):
            chunk = slice(start, start + self.at_once)
            some, at, end = turn[chunk], starts[chunk], ends[chunk]
            end = np.minimum(end, at + MOST)
            while len(some := some[going := at < end]):
                at, end = at[going], end[going]
                self._compare(best, asked, held, some, order[at], itself)
                at = at + 1

    def _compare(
        self, best: NDArray[np.int64], asked: Prints, held: Prints, some: NDArray[np.int64], other: NDArray[np.int64], itself: bool,
    ) -> None:  # fmt: skip
        """Take each of `other` for its one of `some` where it is nearer than what stands in `best`."""
        bits = np.bitwise_count(asked.hashes[some] ^ held.hashes[other]).astype(np.int64)
        near = bits <= self.bits
        if itself:
            near &= some != other
        some, other, bits = some[near], other[near], bits[near]
        apart = asked.colours[some].astype(np.float64) - held.colours[other]
        alike = (np.abs(apart) <= self.colour).all(1)
        some, ranked = some[alike], bits[alike] * len(held) + other[alike]
        best[some] = np.minimum(best[some], ranked)


def _at(values: NDArray[np.uint64], places: NDArray[np.int64] | None) -> NDArray[np.uint64]:
    return values if places is None else values[places]


def _gathered(hashes: NDArray[np.uint64], mask: np.uint64) -> NDArray[np.uint64]:
    """Return the bits that the mask lets through, pushed together at the lower end."""
    found, width, left = np.zeros_like(hashes), 0, int(mask)
    while left:
        low = (left & -left).bit_length() - 1
        run = (~(left >> low) & ((left >> low) + 1)).bit_length() - 1
        band = (1 << run) - 1
        found |= ((hashes >> np.uint64(low)) & np.uint64(band)) << np.uint64(width)
        width, left = width + run, left & ~(band << low)
    return found


def _bounds(keys: NDArray[np.uint64], order: NDArray[np.int64], earlier: bool) -> tuple[NDArray[np.int64], ...]:
    """Return of those that share a key their places, and where those with that key begin and end, or with `earlier` those before them."""
    begins = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    sizes = np.diff(np.append(begins, len(keys)))
    begins, sizes = begins[sizes > 1], sizes[sizes > 1]
    starts = np.repeat(begins, sizes)
    inside = np.arange(len(starts)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return order[starts + inside], starts, starts + (inside if earlier else np.repeat(sizes, sizes))


def _places(keys: NDArray[np.uint64], wanted: NDArray[np.uint64]) -> tuple[NDArray[np.int64], ...]:
    """Return the places of those asked, by key, since looking up in order is quick, and where theirs begin and end."""
    if not len(wanted):
        return (np.zeros(0, np.int64),) * 3
    wanted, turn = in_order(wanted)
    return turn, np.searchsorted(keys, wanted, "left"), np.searchsorted(keys, wanted, "right")


def bits_apart(prints: Prints) -> float:
    """Return the median number of bits in which two of the prints differ, comparing all of them; 0 for fewer than two."""
    first, second = np.triu_indices(len(prints), 1)
    return float(np.median(np.bitwise_count(prints.hashes[first] ^ prints.hashes[second]))) if len(first) else 0.0


def band_pairs(bits: int) -> list[np.uint64]:
    """Return masks of which at least one lets through the same of any two hashes that differ in at most `bits` bits."""
    edges = np.linspace(0, HASH_BITS, bits + 3).astype(int)
    bands = [(1 << int(high)) - (1 << int(low)) for low, high in pairwise(edges)]
    return [np.uint64(first | second) for first, second in combinations(bands, 2)]
