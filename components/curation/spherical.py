"""Spherical k-means of many rows: centres of length 1, from rows that may lie on disk in half precision, and the nearest of each row.

Source: Dhillon, Modha 2001, "Concept Decompositions for Large Sparse Text Data Using Clustering"; Nister, Stewenius 2006 (centres of
centres). Computed by faiss. Differs: of two levels each group has centres by the rows that lie in it, and all of them are one list.
Axes: N rows, D embedding width, K centres, l nearest centres of a row.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float, Float32, Int64

from components.contracts.errors import ConfigError, DataError, StaleArtifact

MOST = 256  # rows a centre that it is learnt from; more change it little
_AT_ONCE = 65_536  # rows that are read at a time
_COSINES = 16_777_216  # cosines that are there at a time: 64 MB
_PROBED = 16  # groups of centres that a row is held against, where there are groups
_MOVED = 3  # rounds in which centres of all groups move together, for rows near the edge of a group
_AROUND = 4  # groups that a row is held against meanwhile


@dataclass(frozen=True, slots=True, kw_only=True)
class Centres:
    """What was found.

    Args:
        vectors: of length 1.
        model: what made the rows, with its digest.
        groups: centres of groups of the vectors; none where a row is held against all.
        probed: groups, the nearest, whose vectors a row is held against.
    """

    vectors: Float32[np.ndarray, "K D"]
    model: str
    groups: Float32[np.ndarray, "G D"] | None = None
    probed: int = _PROBED

    def nearest(self, rows: Float[np.ndarray, "N D"], count: int, model: str) -> "Nearest":
        """Return the nearest centres of each row, of any length; of groups, those in the 16 nearest, which is not quite all.

        Raises ConfigError for more than there are, StaleArtifact for rows of another model, DataError as of `unit`.
        """
        if not 1 <= count <= len(self.vectors):
            raise ConfigError(
                f"{count} centres of each row are asked for, and there are {len(self.vectors):,}. Give a number from 1 to that."
            )
        if model != self.model:
            raise StaleArtifact(
                f"the centres were learnt from rows of {self.model}, and these are of {model}: cosines between the two say nothing. "
                "Learn the centres again, or take the same model."
            )
        found = np.empty((len(rows), count), np.int64)
        cosines = np.empty((len(rows), count), np.float32)
        search = self._all if self.groups is None else self._grouped(self.groups)
        for start, piece in _pieces(rows):
            found[start : start + len(piece)], cosines[start : start + len(piece)] = search(piece, count)
        return Nearest(centres=found, cosines=cosines)

    def _all(self, rows: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        found, cosines = np.empty((len(rows), count), np.int64), np.empty((len(rows), count), np.float32)
        step = max(1, _COSINES // len(self.vectors))
        for start in range(0, len(rows), step):
            some = rows[start : start + step] @ self.vectors.T
            which = _largest(some, count)
            found[start : start + step] = which
            cosines[start : start + step] = np.take_along_axis(some, which, 1)
        return found, cosines

    def _grouped(self, groups: np.ndarray) -> Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]:
        import faiss  # takes a quarter of a second, which only who clusters waits for

        quantizer = faiss.IndexFlatIP(self.vectors.shape[1])
        quantizer.add(groups)
        index = faiss.IndexIVFFlat(quantizer, self.vectors.shape[1], len(groups), faiss.METRIC_INNER_PRODUCT)
        index.is_trained = True
        index.add(self.vectors)
        index.nprobe = min(len(groups), self.probed)

        def search(rows: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
            cosines, found = index.search(rows, count)
            if (short := (found < 0).any(1)).any():  # too few centres in those groups
                found[short], cosines[short] = self._all(rows[short], count)
            return found, cosines

        return search


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest:
    """Of each row the nearest centres, the nearest first, no centre twice, and its cosine with them."""

    centres: Int64[np.ndarray, "N l"]
    cosines: Float32[np.ndarray, "N l"]

    def sizes(self, count: int) -> Int64[np.ndarray, "K"]:
        """Return how many rows have each of so many centres as their nearest."""
        return np.bincount(self.centres[:, 0], minlength=count)


def spherical_centres(
    rows: Float[np.ndarray, "N D"], clusters: int, rounds: int, seed: int, *, model: str = "", levels: Literal[1, 2] = 1
) -> Centres:
    """Return the centres of rows of any length, which may be a memory map in half precision.

    At most 256 rows a centre are read, drawn evenly. On two levels about sqrt(K) groups come first and each has centres for its part
    of the rows, so that the work for a row grows with sqrt(K) and not with K; then all move a few times together.

    Raises ConfigError for fewer rows than clusters, DataError as of `unit`.
    """
    if clusters > len(rows):
        raise ConfigError(f"{clusters:,} clusters are asked for, and there are {len(rows):,} rows. Give fewer.")
    some = unit(_drawn(rows, clusters * MOST, seed))
    if levels == 1 or clusters < 4:
        return Centres(vectors=_means(some, clusters, rounds, seed), model=model)
    groups = _means(some, max(2, round(clusters**0.5)), rounds, seed)
    of = Centres(vectors=groups, model=model).nearest(some, 1, model).centres[:, 0]
    sizes = np.bincount(of, minlength=len(groups))
    parts = [
        _means(some[of == group], count, rounds, seed + 1 + group)
        for group, count in enumerate(shared_out(clusters, sizes))
        if count
    ]
    found = Centres(vectors=np.concatenate(parts), model=model, groups=groups, probed=_AROUND)
    for _ in range(_MOVED):
        found = replace(found, vectors=_moved(found.vectors, some, found.nearest(some, 1, model).centres[:, 0]))
    return replace(found, probed=_PROBED)


def shared_out(count: int, sizes: Int64[np.ndarray, "G"]) -> list[int]:
    """Return how many of `count` each group gets, by its size: none more than its size, and one at least where it has any."""
    given = np.minimum(np.maximum(np.floor(count * sizes / sizes.sum()), sizes > 0), sizes).astype(np.int64)
    while given.sum() != count:
        more = count > given.sum()
        each = sizes / np.maximum(given, 0.5)
        fits = (given < sizes) if more else (given > 1)
        at = np.where(fits, each, -np.inf if more else np.inf)
        given[at.argmax() if more else at.argmin()] += 1 if more else -1
    return [int(one) for one in given]


def unit(rows: Float[np.ndarray, "N D"]) -> Float32[np.ndarray, "N D"]:
    """Return rows with length 1, in float32; DataError, with the first, for one that is not finite or has no length."""
    wide = np.ascontiguousarray(rows, np.float32)
    length = np.linalg.norm(wide, axis=1, keepdims=True)
    bad = ~np.isfinite(length[:, 0]) | (length[:, 0] == 0)
    if bad.any():
        raise DataError(
            f"{bad.sum():,} of {len(rows):,} rows are no numbers or have no length, the first of them row {int(bad.argmax())}. A picture that cannot be "
            "decoded gives such; leave them out."
        )
    found: np.ndarray = wide / length
    return found


def _means(rows: Float32[np.ndarray, "N D"], clusters: int, rounds: int, seed: int) -> Float32[np.ndarray, "K D"]:
    import faiss

    means = faiss.Kmeans(
        rows.shape[1], clusters, niter=rounds, spherical=True, seed=seed % 2**31, min_points_per_centroid=1,
        max_points_per_centroid=MOST,
    )  # fmt: skip
    means.train(np.ascontiguousarray(rows))
    centres: np.ndarray = np.asarray(means.centroids)
    return centres


def _moved(vectors: np.ndarray, rows: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Return each centre where the mean of its rows points to; one that has none, or whose rows cancel, stays."""
    order = of.argsort(kind="stable")
    there, first = np.unique(of[order], return_index=True)
    sums = np.add.reduceat(rows[order], first)
    length = np.linalg.norm(sums, axis=1, keepdims=True)
    moved = vectors.copy()
    moved[there] = np.where(length > 0, sums / np.maximum(length, 1e-12), vectors[there])
    return moved


def _drawn(rows: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Return at most so many rows, drawn evenly and read in their order; all of them where there are no more."""
    if len(rows) <= most:
        return np.asarray(rows)
    places = np.random.default_rng(seed).choice(len(rows), most, replace=False)
    places.sort()
    return np.asarray(rows[places])


def _pieces(rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    for start in range(0, len(rows), _AT_ONCE):
        yield start, unit(np.asarray(rows[start : start + _AT_ONCE]))


def _largest(cosines: np.ndarray, count: int) -> np.ndarray:
    """Return the places of the largest of each row, the largest first, of two that are equal the first."""
    if count == 1:
        return cosines.argmax(1)[:, None]
    some = np.argpartition(-cosines, count - 1, axis=1)[:, :count] if count < cosines.shape[1] else None
    if some is None:
        return np.argsort(-cosines, axis=1, kind="stable")
    some.sort(axis=1)
    order = np.argsort(-np.take_along_axis(cosines, some, 1), axis=1, kind="stable")
    return np.take_along_axis(some, order, 1)
