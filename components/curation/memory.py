"""How much is looked at once, so that a step takes no more memory than it may."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from components.data.equal import AT_ONCE
from components.data.minhash import COMPARED
from components.data.signatures import Held, Signatures, Spilled
from components.validation.near import AT_ONCE as PRINTS_AT_ONCE

_COPIES = 12  # of a value's bytes, and of what is computed from them
_ROW_BYTES = 128  # of what is computed of a value, however short
_PRINT_BYTES = 160  # of what is computed to look for the neighbours of a print
_LEAST_ROWS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What may be held at once beside the rows.

    Args:
        bound: bytes; None for no bound.
    """

    bound: int | None = None

    def values(self, column: pa.ChunkedArray) -> int:
        """Return how many values of a column may be worked at together."""
        each = column.nbytes // max(1, len(column))
        return self._within(_COPIES * each + _ROW_BYTES, AT_ONCE)

    @property
    def prints(self) -> int:
        """Return of how many prints neighbours may be looked for together."""
        return self._within(_PRINT_BYTES, PRINTS_AT_ONCE)

    def pairs(self, size: int) -> int:
        """Return how many pairs of signatures, of so many values each, may be compared together."""
        return self._within(4 * size * np.dtype(np.uint32).itemsize, COMPARED)

    def signatures(self, count: int, size: int) -> Signatures:
        """Return what so many signatures are to be put into: memory where they take half of it at most, else a file."""
        if self.bound is not None and 2 * count * size * np.dtype(np.uint32).itemsize > self.bound:
            return Spilled(size)
        return Held(np.empty((count, size), np.uint32), 0)

    def _within(self, each: int, most: int) -> int:
        """Return how many things, of so many bytes each, take half of the bound, or `most`, if that is fewer."""
        return most if self.bound is None else max(_LEAST_ROWS, min(most, self.bound // (2 * each)))
