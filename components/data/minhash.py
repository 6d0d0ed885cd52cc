"""Which of very many texts are nearly equal, without comparing all pairs.

Source: Broder 1997, "On the resemblance and containment of documents": of two sets, the least values under a random order
are the same as often as the sets overlap (Jaccard). Leskovec, Rajaraman, Ullman 2020, "Mining of Massive Datasets", section
3.4: texts that agree in all values of one band are compared. Differs: a shingle is a run of bytes, so that typing errors
and scripts without spaces need no special case; and in a bucket each text is compared with the first one that is left, not
all with all, so that a million copies of one text take no longer than a million different ones.
Axes: T texts, H values of a signature, P pairs.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float, Int64, UInt32
from numpy.typing import NDArray

from components.data.in_order import in_order
from components.data.signatures import Held, Signatures

_BLOCK = 4096  # texts whose shingles are held at once: they stay in the processor's cache
COMPARED = 1 << 16  # pairs of signatures held at once, which bounds memory
_FIRSTS = 16  # texts of one bucket that others are compared with; what is like none of them is left to other bands
_MIX = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)  # odd, with about as many ones as zeros


@dataclass(frozen=True, slots=True, kw_only=True)
class MinHash:
    """How texts are compared.

    Args:
        letters: bytes of a shingle, 1 to 8.
        bands: of a signature; two texts are compared when one of them is the same.
        values: of a band. Texts of which the share s of shingles is common are compared with 1 - (1 - s^values)^bands.
        seed: draws the orders.
    """

    letters: int = 4
    bands: int = 12
    values: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.letters <= 8:
            raise ValueError(f"letters is {self.letters}, but a shingle is read as one number of 8 bytes. Give 1 to 8.")

    def signatures(self, texts: pa.Array) -> UInt32[np.ndarray, "T H"]:
        """Return the signature of each text, none of which may be null; of two, the share of equal values estimates Jaccard."""
        draws = np.random.default_rng(self.seed)
        size = self.bands * self.values
        factors = draws.integers(0, 2**32, size, np.uint32) | np.uint32(1)
        flips = draws.integers(0, 2**32, size, np.uint32)
        signatures = np.empty((len(texts), size), np.uint32)
        for start in range(0, len(texts), _BLOCK):
            shingles, starts = self._shingles(texts.slice(start, _BLOCK))
            for at, (factor, flip) in enumerate(zip(factors, flips, strict=True)):
                orders = shingles * factor
                orders ^= flip
                signatures[start : start + len(starts), at] = np.minimum.reduceat(orders, starts)
        return signatures

    def _shingles(self, texts: pa.Array) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """Return hashes of every run of `letters` bytes, with a space before and behind each text, and where each text's begin."""
        padded = pc.binary_join_element_wise(" ", pc.utf8_rpad(texts, self.letters, " "), " ", "")
        _, offsets, letters = padded.buffers()
        ends = np.frombuffer(offsets, np.int32)[: len(texts) + 1].astype(np.int64)
        held = np.concatenate([np.frombuffer(letters, np.uint8)[: ends[-1]], np.zeros(8, np.uint8)])
        windows = np.ndarray(int(ends[-1]), "<u8", held, strides=(1,)) & np.uint64(2 ** (8 * self.letters) - 1)
        whole = np.ones(len(windows), bool)
        for short in range(1, self.letters):
            whole[ends[1:] - short] = False  # would run into the next text
        hashes = windows[whole] * _MIX[0]
        hashes ^= hashes >> np.uint64(32)
        hashes *= _MIX[1]
        return (hashes >> np.uint64(32)).astype(np.uint32), ends[:-1] - (self.letters - 1) * np.arange(len(texts))

    def pairs(
        self, signatures: UInt32[np.ndarray, "T H"] | Signatures, at_least: float, compared: int = COMPARED
    ) -> tuple[Int64[np.ndarray, "P 2"], Float[np.ndarray, " P"]]:
        """Return pairs of texts whose signatures have `at_least` this share in common, the earlier text first, and that share.

        Not every such pair is returned: of many alike, each stands with the first of them.

        Args:
            compared: pairs of signatures held at once.
        """
        held = Held(signatures) if isinstance(signatures, np.ndarray) else signatures
        found = [np.empty((0, 2), np.int64)]
        for band in range(self.bands):
            keys = self._keys(held, slice(band * self.values, (band + 1) * self.values))
            found += self._in_buckets(held, keys, at_least, compared)
        pairs = np.unique(np.concatenate(found), axis=0)
        return pairs, _shares(held, pairs[:, 0], pairs[:, 1], compared)

    def _keys(self, signatures: Signatures, band: slice) -> NDArray[np.uint64]:
        """Return a hash of a band of each signature."""
        keys, start = np.zeros(len(signatures), np.uint64), 0
        for block in signatures.blocks(band):
            some = keys[start : start + len(block)]
            for value in block.T:
                some ^= value
                some *= _MIX[0]
                some ^= some >> np.uint64(29)
            start += len(block)
        return keys

    def _in_buckets(
        self, signatures: Signatures, keys: NDArray[np.uint64], at_least: float, compared: int
    ) -> Iterator[NDArray[np.int64]]:
        keys, texts = in_order(keys, shorten=True)
        for _ in range(_FIRSTS):
            begins = np.append(True, keys[1:] != keys[:-1])[: len(keys)]
            alone = begins & np.append(begins[1:], True)[: len(keys)]
            texts, keys, begins = texts[~alone], keys[~alone], begins[~alone]
            if not len(texts):
                return
            firsts = texts[begins][np.cumsum(begins) - 1]
            near = begins.copy()
            near[~begins] = _shares(signatures, firsts[~begins], texts[~begins], compared) >= at_least
            yield np.stack([firsts, texts], 1)[near & ~begins]
            texts, keys = texts[~near], keys[~near]


def _shares(
    signatures: Signatures, one: NDArray[np.int64], other: NDArray[np.int64], compared: int
) -> NDArray[np.float64]:
    shares = np.empty(len(one))
    for start in range(0, len(one), compared):
        some = slice(start, start + compared)
        shares[some] = (signatures.take(one[some]) == signatures.take(other[some])).mean(1)
    return shares


def connected(pairs: Int64[np.ndarray, "P 2"], count: int) -> Int64[np.ndarray, " T"]:
    """Return for each of `count` texts the first one that is reached from it over pairs; itself where it is in none."""
    reached = np.arange(count)
    while len(pairs):
        tops = reached[pairs]
        pairs = pairs[tops[:, 0] != tops[:, 1]]
        tops = np.sort(reached[pairs], axis=1)
        np.minimum.at(reached, tops[:, 1], tops[:, 0])
        while not np.array_equal(further := reached[reached], reached):
            reached = further
    return reached
