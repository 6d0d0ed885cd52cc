"""The baseline that needs no training: the nearest training picture by edges and colours lends its name.

Source: Dalal and Triggs 2005 (histograms of oriented gradients, scikit-image's), beside a thumbnail of the pixels.
Axes: I pictures of a pool, T names, M training pictures, F features, B and N pictures and names of a block.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from skimage.feature import hog

from components.contracts.progress import Progress, silent
from components.data.transforms.preprocess import Preprocess
from components.evaluation.ranking import Right

PIXELS = 48  # a side; 6 x 6 cells of 8 pixels for the histograms
THUMBNAIL = 12
PIECE_BYTES = 2**24  # of what is held of training pictures at once, beside the scores asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Lent:
    """For each picture and name, how near the nearest training picture that owns that very name is; computed as rows are asked for.

    A name that no training picture owns scores -1, below all others: this baseline knows nothing of new names.

    Args:
        shown: float32 [I F], pictures of the pool, described.
        known: float32 [M F], training pictures.
        owners: of each of T names the training pictures that own it.
        by_name: whether names are its rows, and pictures its columns.
    """

    shown: Float[np.ndarray, "I F"]
    known: Float[np.ndarray, "M F"]
    owners: Right
    by_name: bool = False

    @classmethod
    def of(
        cls, shown: Float[np.ndarray, "I F"], known: Float[np.ndarray, "M F"], owned: Sequence[Sequence[str]], names: Sequence[str]
    ) -> "Lent":  # fmt: skip
        """Build from the names of each training picture, its texts or the group it belongs to, and T names to score."""
        rows: dict[str, list[int]] = {}
        for row, own in enumerate(owned):
            for name in dict.fromkeys(own):
                rows.setdefault(name, []).append(row)
        return cls(shown=shown, known=known, owners=Right.of([rows.get(name, ()) for name in names], len(known)))

    @property
    def shape(self) -> tuple[int, ...]:
        """I and T, or T and I."""
        sides = len(self.shown), len(self.owners)
        return sides[::-1] if self.by_name else sides

    @property
    def T(self) -> "Lent":
        """The other way round."""
        return replace(self, by_name=not self.by_name)

    def __getitem__(self, rows: slice) -> Float[np.ndarray, "B G"]:
        """Return some rows."""
        if self.by_name:
            return self._of(self.shown, rows)
        return np.ascontiguousarray(self._of(self.shown[rows], slice(None)).T)

    def _of(self, shown: Float[np.ndarray, "B F"], names: slice) -> Float[np.ndarray, "N B"]:
        """Return some names of some pictures. How near a training picture is is computed once of all its names, which tie therefore."""
        begin, end, _ = names.indices(len(self.owners))
        starts = self.owners.starts[begin : end + 1]
        counts = np.diff(starts)
        scores = np.full((end - begin, len(shown)), -np.inf, np.float32)
        scores[counts == 0] = -1
        of_name = np.repeat(np.arange(end - begin), counts)
        used, place = np.unique(self.owners.answers[starts[0] : starts[-1]], return_inverse=True)
        step = max(1, PIECE_BYTES // (4 * max(1, *shown.shape)))
        for first in range(0, len(used), step):
            near = self.known[used[first : first + step]] @ shown.T  # (U, B), U training pictures at a time
            pairs = np.flatnonzero((place >= first) & (place < first + step))
            for some in range(0, len(pairs), step):
                own = pairs[some : some + step]
                begins = np.flatnonzero(np.diff(of_name[own], prepend=-1))
                best = np.maximum.reduceat(near[place[own] - first], begins, axis=0)
                its = of_name[own[begins]]
                scores[its] = np.maximum(scores[its], best)
        return scores


def describe(pictures: Sequence[bytes], progress: Progress = silent) -> Float[np.ndarray, "I F"]:
    """Return unit rows, half edges and half colours."""
    preprocess, rows = Preprocess(size=PIXELS), []
    for place, data in enumerate(pictures):
        pixels = preprocess(data).astype(np.float32) / 255
        edges = hog(pixels.mean(0), orientations=9, pixels_per_cell=(8, 8), cells_per_block=(2, 2))
        step = PIXELS // THUMBNAIL
        colours = 1 - pixels.reshape(3, THUMBNAIL, step, THUMBNAIL, step).mean((2, 4)).ravel()
        rows.append(np.concatenate([unit(edges), unit(colours)]) / np.sqrt(2))
        progress("describing for the baseline", place + 1, len(pictures))
    return np.stack(rows).astype(np.float32)


def unit(values: Float[np.ndarray, "F"]) -> Float[np.ndarray, "F"]:
    """Return values scaled to length 1; all zeros stay so."""
    return values / max(float(np.linalg.norm(values)), 1e-12)
