"""The signatures of many texts, in memory or in a file of which a few are in memory at once.

Axes: T texts, H values of a signature, R of them that are asked for.
"""

import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt32
from numpy.typing import NDArray

AT_ONCE = 1 << 13  # signatures read in one go
_TOGETHER = 64  # signatures that lie together and are read for one of them


class Signatures(ABC):
    """What has the signatures of all texts."""

    @abstractmethod
    def __len__(self) -> int:
        """Return how many there are."""

    @abstractmethod
    def add(self, values: UInt32[np.ndarray, "_ H"]) -> None:
        """Put further signatures behind those there are."""

    @abstractmethod
    def blocks(self, columns: slice) -> Iterator[UInt32[np.ndarray, "_ _"]]:
        """Yield some values of all signatures, in their order, a block at once."""

    @abstractmethod
    def take(self, places: Int64[np.ndarray, " R"]) -> UInt32[np.ndarray, "R H"]:
        """Return the signatures at some places."""


class Held(Signatures):
    """Signatures in memory.

    Args:
        values: of all, or room for them.
        count: of them that are there; None for all.
    """

    def __init__(self, values: UInt32[np.ndarray, "_ H"], count: int | None = None) -> None:
        self._values, self._count = values, len(values) if count is None else count

    def __len__(self) -> int:
        return self._count

    def add(self, values: NDArray[np.uint32]) -> None:
        """Put further signatures behind those there are; ValueError when there is no room for them."""
        self._values[self._count : self._count + len(values)] = values
        self._count += len(values)

    def blocks(self, columns: slice) -> Iterator[NDArray[np.uint32]]:
        """Yield some values of all signatures."""
        for start in range(0, len(self), AT_ONCE):
            yield self._values[start : min(start + AT_ONCE, len(self)), columns]

    def take(self, places: NDArray[np.int64]) -> NDArray[np.uint32]:
        """Return the signatures at some places."""
        return self._values[places]


class Spilled(Signatures):
    """Signatures in a file without a name, which is gone when nobody holds it, however the process ends.

    Args:
        size: values of a signature.
        folder: where the file lies; None for where temporary files do.
    """

    def __init__(self, size: int, folder: Path | None = None) -> None:
        self.size, self._count = size, 0
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # held as long as this is

    def __len__(self) -> int:
        return self._count

    def add(self, values: NDArray[np.uint32]) -> None:
        """Put further signatures behind those there are."""
        self._file.write(np.ascontiguousarray(values).data)
        self._file.flush()
        self._count += len(values)

    def blocks(self, columns: slice) -> Iterator[NDArray[np.uint32]]:
        """Yield some values of all signatures."""
        for start in range(0, len(self), AT_ONCE):
            yield self._read(start, AT_ONCE)[:, columns]

    def take(self, places: NDArray[np.int64]) -> NDArray[np.uint32]:
        """Return the signatures at some places; those that lie together are read in one go."""
        found = np.empty((len(places), self.size), np.uint32)
        order = np.argsort(places, kind="stable")
        blocks = places[order] // _TOGETHER
        for some in np.split(order, np.flatnonzero(np.diff(blocks)) + 1) if len(order) else ():
            first = int(places[some[0]]) // _TOGETHER * _TOGETHER
            found[some] = self._read(first, _TOGETHER)[places[some] - first]
        return found

    def _read(self, start: int, count: int) -> NDArray[np.uint32]:
        row = self.size * np.dtype(np.uint32).itemsize
        return np.frombuffer(os.pread(self._file.fileno(), count * row, start * row), np.uint32).reshape(-1, self.size)
