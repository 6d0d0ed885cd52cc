"""The baseline that needs no training: the nearest training picture by edges and colours lends its name.

Source: Dalal and Triggs 2005 (histograms of oriented gradients, scikit-image's), beside a thumbnail of the pixels.
Axes: I pictures of a pool, T names, M training pictures, F features.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from skimage.feature import hog

from components.contracts.progress import Progress, silent
from components.data.transforms.preprocess import Preprocess

PIXELS = 48  # a side; 6 x 6 cells of 8 pixels for the histograms
THUMBNAIL = 12


def lent(
    near: Float[np.ndarray, "I M"], owned: Sequence[Sequence[str]], names: Sequence[str]
) -> Float[np.ndarray, "I T"]:
    """Return for each picture and name how near the nearest training picture that owns that very name is.

    A name that no training picture owns scores -1, below all others: this baseline knows nothing of new names.

    Args:
        near: similarity of each picture to each training picture.
        owned: names of each training picture: its texts, or the group it belongs to.
        names: T names to score.
    """
    rows: dict[str, list[int]] = {}
    for row, own in enumerate(owned):
        for name in own:
            rows.setdefault(name, []).append(row)
    scores = np.full((len(near), len(names)), -1.0, np.float32)
    for column, name in enumerate(names):
        if name in rows:
            scores[:, column] = near[:, rows[name]].max(1)
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
