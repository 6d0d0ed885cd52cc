"""Numbers that rows draw: each from a stream of its own, so that a row draws the same in whatever batch it comes.

What torch draws from one generator for a whole batch depends on the batch. A view that is to be shown again, alone or beside
other rows, draws from a seed of its own.
Source: the mixing function, Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators" (SplitMix64).
Axes: N rows.
"""

import hashlib
from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_BITS = 24  # of a float32 in [0, 1)


def seed_of(*parts: object) -> int:
    """Return a seed below 2**63 that depends on every part, so that neighbouring steps share nothing."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big") >> 1


class RowDraws:
    """A stream of numbers a row; what a row draws depends on its seed and on how often it drew before.

    Args:
        seeds: of each row, from 0 to 2**63 - 1.
    """

    def __init__(self, seeds: Iterable[int]) -> None:
        self._state = np.fromiter(seeds, np.uint64)

    def even(self, *shape: int) -> Float[Tensor, "N *shape"]:
        """Return numbers drawn evenly from [0, 1), of each row as many as `shape` has."""
        each = int(np.prod(shape, dtype=np.int64))
        turns = np.arange(1, each + 1, dtype=np.uint64)
        mixed = _mixed(self._state[:, None] + turns * _GOLDEN)
        self._state = self._state + np.array([each], np.uint64) * _GOLDEN
        numbers = (mixed >> np.uint64(64 - _BITS)).astype(np.float32) / np.float32(2**_BITS)
        return torch.from_numpy(numbers.reshape(len(mixed), *shape))


Draws = torch.Generator | RowDraws
"""What a batch draws from: one generator for all of its rows, or a stream for each."""


def even(draw: Draws, count: int, *shape: int) -> Float[Tensor, "count *shape"]:
    """Return numbers drawn evenly from [0, 1) for `count` rows."""
    if isinstance(draw, RowDraws):
        return draw.even(*shape)
    return torch.rand(count, *shape, generator=draw)


def _mixed(state: np.ndarray) -> np.ndarray:
    """Return 64 bits that look like chance, of each state."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
