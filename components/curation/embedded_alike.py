"""Which rows have an embedding near that of an earlier one which stays: exact for a hundred thousand, by groups beyond.

Source: Abbas et al. 2023, arXiv:2303.09540, section 3 (semantic duplicates: embeddings of a pre-trained model within a cosine of each other; looked
for within groups of k-means). Differs: which one stays is the caller's order and not the distance to a centre; up to EXACT_ROWS all rows are
compared with all that stay, and beyond with those in the PROBED nearest groups, not in one alone.
Axes: N rows, the best first, D embedding width.
"""

import math
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64

EXACT_ROWS = 100_000
PROBED = 32  # groups of 4 * sqrt(N) that a row is compared with
_BLOCK = 1024  # rows compared at once
_TRAINED = 64  # rows a group that centres are learnt from
_ROUNDING = 1e-6  # an embedding and its copy have a cosine of nearly 1


def embedded_alike(
    rows: Float32[np.ndarray, "N D"], cosine: float, exact_rows: int = EXACT_ROWS
) -> Int64[np.ndarray, " _"]:
    """Return the places of rows, each of length 1, that are as near as `cosine` to an earlier one which stays."""
    goes = np.zeros(len(rows), bool)
    stays = _index(rows, exact_rows)
    for start in range(0, len(rows), _BLOCK):
        block = np.ascontiguousarray(rows[start : start + _BLOCK])
        near = _like_one(stays, block, cosine)
        near |= _like_each_other(block, near, cosine)
        goes[start : start + len(block)] = near
        stays.add(block[~near])
    return np.flatnonzero(goes)


def _index(rows: Float32[np.ndarray, "N D"], exact_rows: int) -> Any:
    """Return an empty index of cosines."""
    import faiss  # takes a quarter of a second, which only who asks for embeddings waits for

    width = rows.shape[1]
    if len(rows) <= exact_rows:
        return faiss.IndexFlatIP(width)
    groups = int(4 * math.sqrt(len(rows)))
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(width), width, groups, faiss.METRIC_INNER_PRODUCT)
    index.cp.min_points_per_centroid, index.cp.max_points_per_centroid = 1, _TRAINED
    index.train(rows)
    index.nprobe = min(PROBED, groups)
    return index


def _like_one(stays: Any, block: np.ndarray, cosine: float) -> np.ndarray:
    if not stays.ntotal:
        return np.zeros(len(block), bool)
    near: np.ndarray = stays.search(block, 1)[0][:, 0] >= cosine - _ROUNDING
    return near


def _like_each_other(block: np.ndarray, gone: np.ndarray, cosine: float) -> np.ndarray:
    """Return which rows of a block are like an earlier one of it that stays."""
    alike = np.tril(block @ block.T >= cosine - _ROUNDING, -1)
    goes = np.zeros(len(block), bool)
    for at in np.flatnonzero(alike.any(1) & ~gone):
        goes[at] = (alike[at] & ~goes & ~gone).any()
    return goes
