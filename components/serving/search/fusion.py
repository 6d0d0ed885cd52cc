"""Several rankings as one.

Source: Cormack, Clarke and Buettcher 2009, reciprocal rank fusion, SIGIR; their k of 60.
"""

from collections.abc import Sequence

K = 60


def fused(rankings: Sequence[Sequence[int]], k: int = K) -> list[int]:
    """Return all rows of the rankings, best first by the sum over rankings of 1 / (k + rank), rank from 1; ties by row."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, row in enumerate(ranking, 1):
            scores[row] = scores.get(row, 0.0) + 1 / (k + rank)
    return sorted(scores, key=lambda row: (-scores[row], row))
