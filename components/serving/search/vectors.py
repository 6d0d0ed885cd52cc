"""The vectors of an index: compared one by one while they are few, by codes of a bit a number where they are many.

A code has a bit for each number, 1 where it lies above the mean of all: a 32nd of the memory, of each process that searches. The codes nearest to that of a question (by
Hamming distance, all of them looked at) are compared again by their vectors, which stay on disk. Without the mean taken off, vectors of a tower, which all
point one way, would share most of their bits.
Axes: N vectors, D numbers each, M of those that a filter leaves, C candidates.
"""

import os
import threading
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

FEW = 100_000  # vectors that are compared one by one
FEW_ALLOWED = 5_000  # of those that a filter leaves: they lie apart, so that each is fetched by itself
LEAST, MOST = 400, 4_000  # codes whose vectors are compared
PAIRS = 300_000_000  # of candidate and vector of WIDE numbers: the more vectors there are, the fewer candidates there is time for
WIDE = 512  # numbers; of fewer a code says less and is compared sooner, so that more candidates are looked at
DEEPER = 20  # candidates for each answer that is wanted
AT_ONCE = 65_536
SEEN = 100_000  # vectors that the mean is taken of


class Vectors:
    """Vectors on disk, opened to be read. Not for several threads at once.

    Args:
        path: index.npy, float32 [N D] of unit length.
        beside: folder of the codes, which are written there once; ignored while there are few.
        few: how many are compared one by one.
    """

    def __init__(self, path: Path, beside: Path, few: int = FEW) -> None:
        self._rows = np.load(path, mmap_mode="r")
        self._codes = None if len(self._rows) <= few else Codes.of(self._rows, beside)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def width(self) -> int:
        """Return D."""
        return int(self._rows.shape[1])

    @property
    def coded(self) -> bool:
        """Return whether there are so many that codes are compared first."""
        return self._codes is not None

    def row(self, at: int) -> Float[np.ndarray, " D"]:
        """Return one vector."""
        return np.array(self._rows[at])

    def cosines(self, vector: Float[np.ndarray, " D"], at: Int[np.ndarray, " C"]) -> Float[np.ndarray, " C"]:
        """Return the cosine of a vector of unit length with some rows."""
        found: np.ndarray = self._rows[at] @ vector
        return found

    def nearest(
        self, vector: Float[np.ndarray, " D"], top: int, allowed: Int[np.ndarray, " M"] | None = None
    ) -> Int[np.ndarray, " K"]:
        """Return the rows of the highest cosines, best first, at most `top`; equal ones keep the index's order.

        Where there are many, nearly all of them: docs/serving-measured.md says how many were, of drawn ones.

        Args:
            vector: of unit length.
            top: how many.
            allowed: rows to look among, in order; all unless given.
        """
        among = allowed
        if self._codes is not None and (allowed is None or len(allowed) > FEW_ALLOWED):
            wanted = max(candidates(len(self._rows), self.width), DEEPER * top)
            among = self._codes.nearest(vector, wanted, allowed)
        scores = self._rows @ vector if among is None else self.cosines(vector, among)
        at = np.arange(len(scores)) if top >= len(scores) else np.sort(np.argpartition(-scores, top)[:top])
        at = at[np.argsort(-scores[at], kind="stable")]
        return at if among is None else among[at]


def candidates(count: int, width: int) -> int:
    """Return of how many of the nearest codes the vectors are compared, among `count` vectors of `width` numbers."""
    narrow = max(1.0, WIDE / width) ** 2
    return min(MOST, max(LEAST, int(narrow * PAIRS / count)))


class Codes:
    """A bit for each number of each vector.

    Args:
        mean: float32 [D] of the vectors.
        bits: uint8 [N D/8].
    """

    def __init__(self, mean: Float[np.ndarray, " D"], bits: np.ndarray) -> None:
        import faiss

        self._mean, self._count = mean, len(bits)
        self._index = faiss.IndexBinaryFlat(8 * bits.shape[1])
        self._index.use_heap = False  # type: ignore[attr-defined]  # but sorts by counting: a third sooner with thousands of candidates
        self._index.add(bits)  # which copies them: kept here too, they would be held twice

    @classmethod
    def of(cls, rows: Float[np.ndarray, "N D"], folder: Path) -> "Codes":
        """Return the codes that lie in a folder, written there unless they are."""
        paths = folder / "codes-mean.npy", folder / "codes.npy"
        if not all(path.exists() for path in paths):
            step = max(1, len(rows) // SEEN)
            mean = np.asarray(rows[::step]).mean(axis=0, dtype=np.float64).astype(np.float32)
            parts = (rows[at : at + AT_ONCE] for at in range(0, len(rows), AT_ONCE))
            bits = np.concatenate([coded(part, mean) for part in parts])
            for path, array in zip(paths, (mean, bits), strict=True):
                partial = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}")
                with partial.open("wb") as file:
                    np.save(file, array, allow_pickle=False)
                partial.replace(path)
        return cls(np.load(paths[0]), np.load(paths[1], mmap_mode="r"))

    def nearest(
        self, vector: Float[np.ndarray, " D"], top: int, allowed: Int[np.ndarray, " M"] | None
    ) -> Int[np.ndarray, " C"]:
        """Return rows whose codes are nearest to that of a vector, in order of the index."""
        faiss: Any = import_module("faiss")  # what it says of its types is not what it takes
        params = None
        if allowed is not None:
            mask = np.zeros(self._count, bool)
            mask[allowed] = True
            params = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little")))
        _, found = self._index.search(coded(vector[None], self._mean), min(top, self._count), params=params)
        rows: np.ndarray = np.sort(found[found >= 0])
        return rows


def coded(rows: Float[np.ndarray, "N D"], mean: Float[np.ndarray, " D"]) -> np.ndarray:
    """Return uint8 [N D/8]: a bit a number, 1 where it is above the mean's; D that is no multiple of eight is filled up with 0."""
    return np.packbits(np.asarray(rows) > mean, axis=1)
