"""Where the right answers stand among all, in blocks of queries: the matrix of all queries and answers is never whole.

Sources: as of retrieval.py, whose ranks these are; Manning, Raghavan and Schütze 2008, "Introduction to Information Retrieval", section 8.4
(average precision). Differs: which answers are right is kept as a list a query and not as a matrix, so that 50,000
pictures and 250,000 texts take what their embeddings take, and a block.
Axes: Q queries, G gallery, B queries of a block, P pairs of a query and a right answer, D shared width.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from math import comb

import numpy as np
from jaxtyping import Bool, Float, Int

from components.contracts.errors import DataError
from components.contracts.evaluator import Scores
from components.evaluation.ranks import Arrays, in_pieces

BLOCK_BYTES = 2**26  # of scores that are there at once
FEW = 8  # right answers of a query that are counted one by one; of more, all answers are sorted once


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosines:
    """The cosines of unit rows, computed as they are asked for; rows of `right` that are the same have the same.

    A product of matrices does not see to that: on some processors a column at its edge is summed in another order, and what is a tie would be won by rounding.

    Args:
        left: float32 [Q D].
        right: float32 [G D].
    """

    left: Float[np.ndarray, "Q D"]
    right: Float[np.ndarray, "G D"]
    _twins: Int[np.ndarray, "2 T"] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Find rows of `right` that are there before, and where."""
        object.__setattr__(self, "_twins", twins(self.right))

    @property
    def shape(self) -> tuple[int, ...]:
        """Q and G."""
        return len(self.left), len(self.right)

    def __getitem__(self, rows: slice) -> Float[np.ndarray, "B G"]:
        """Return some rows."""
        return tied(self.left[rows] @ self.right.T, self._twins)

    @property
    def T(self) -> "Cosines":
        """The other way round."""
        return Cosines(left=self.right, right=self.left)


def twins(rows: Float[np.ndarray, "G D"]) -> Int[np.ndarray, "2 T"]:
    """Return the places of rows that are the same as an earlier one, and those of the first of each."""
    seen: dict[bytes, int] = {}
    first = [seen.setdefault(blake2b(row.tobytes(), digest_size=16).digest(), place) for place, row in enumerate(rows)]
    return np.array([(place, its) for place, its in enumerate(first) if its != place], np.int64).reshape(-1, 2).T


def tied(scores: Float[np.ndarray, "Q G"], same: Int[np.ndarray, "2 T"]) -> Float[np.ndarray, "Q G"]:
    """Return scores in which answers that are the same, as `twins` finds them, have the same; writes into what it is given."""
    again, first = same
    if len(again):
        scores[:, again] = scores[:, first]
    return scores


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """Which answers are right for each query.

    Args:
        starts: int [Q + 1], where the answers of each query begin in `answers`, and where the last's end.
        answers: int [P], numbers of answers, ascending within a query.
        gallery: how many answers there are, right or wrong.
    """

    starts: Int[np.ndarray, "Q1"]
    answers: Int[np.ndarray, "P"]
    gallery: int

    @classmethod
    def of(cls, answers: Sequence[Sequence[int]], gallery: int) -> "Right":
        """Build from the right answers of each query, ascending."""
        starts = np.cumsum([0, *map(len, answers)])
        told = np.fromiter((one for own in answers for one in own), np.int64, int(starts[-1]))
        return cls(starts=starts, answers=told, gallery=gallery)

    @classmethod
    def of_matrix(cls, belongs: Bool[np.ndarray, "Q G"]) -> "Right":
        """Build from a matrix."""
        return cls.of([np.flatnonzero(row).tolist() for row in belongs], belongs.shape[1])

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def counts(self) -> Int[np.ndarray, "Q"]:
        """How many right answers each query has."""
        return np.diff(self.starts)

    @property
    def turned(self) -> "Right":
        """Which queries are right for each answer."""
        order = self.answers.argsort(kind="stable")
        queries = np.repeat(np.arange(len(self)), self.counts)[order]
        starts = np.concatenate([[0], np.bincount(self.answers, minlength=self.gallery).cumsum()])
        return Right(starts=starts, answers=queries, gallery=len(self))

    @property
    def matrix(self) -> Bool[np.ndarray, "Q G"]:
        """The same as a matrix: for galleries that are small."""
        belongs = np.zeros((len(self), self.gallery), bool)
        belongs[np.repeat(np.arange(len(self)), self.counts), self.answers] = True
        return belongs

    def alike(self) -> Int[np.ndarray, "Q"]:
        """Return for each query the first that has the same right answers."""
        first: dict[bytes, int] = {}
        parts = (self.answers[begin:end].tobytes() for begin, end in zip(self.starts, self.starts[1:], strict=False))
        return np.array([first.setdefault(part, query) for query, part in enumerate(parts)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """What was answered to each query.

    Args:
        rank: from 1, of the best right answer; a tie counts as lost. First right means rank 1.
        first: the answer with the highest score; of several, a wrong one.
        score: of that.
        precision: average precision: the share of right answers down to a right one, meaned over the right ones.
    """

    rank: Int[np.ndarray, "Q"]
    first: Int[np.ndarray, "Q"]
    score: Float[np.ndarray, "Q"]
    precision: Float[np.ndarray, "Q"]


def placed(scores: Scores, right: Right, block_bytes: int = BLOCK_BYTES) -> Placed:
    """Return where the right answers stand; DataError for a query without any, and for scores that are no numbers."""
    counts = right.counts
    if not counts.all():
        raise DataError(
            f"a query (number {int(counts.argmin())} of {len(right)}) has nothing in the gallery that belongs to it, so it can have no rank. "
            "Drop it from the pool."
        )
    step = max(1, block_bytes // (4 * max(right.gallery, 1)))
    blocks = in_pieces(
        lambda begin: _block(scores, right, begin, min(begin + step, len(right))), range(0, len(right), step)
    )
    rank, first, score, precision = map(np.concatenate, zip(*blocks, strict=True))
    return Placed(rank=rank, first=first, score=score, precision=precision)


def _block(scores: Scores, right: Right, begin: int, end: int) -> Arrays:
    """Return rank, first, score and precision of some queries."""
    with np.errstate(invalid="ignore"):  # what is no number is said in words
        block = scores[begin:end]
    if not np.isfinite(block.sum()) and not np.isfinite(block).all():
        raise DataError("some scores are no numbers, so ranks would mean nothing. Look at the weights.")
    counts, places = right.counts[begin:end], right.starts[begin:end] - right.starts[begin]
    answers = right.answers[right.starts[begin] : right.starts[end]]
    rows = np.repeat(np.arange(len(block)), counts)
    own = block[rows, answers]
    best = np.maximum.reduceat(own, places)
    not_behind = np.count_nonzero(block >= best[:, None], axis=1)
    rank = 1 + not_behind - np.add.reduceat((own >= best[rows]).astype(np.int64), places)
    precision = 1 / rank
    for row in np.flatnonzero(counts > 1):
        precision[row] = _precision(block[row], own[places[row] : places[row] + counts[row]])
    first = block.argmax(1)
    top = block[np.arange(len(block)), first]
    for row in np.flatnonzero((rank > 1) & (top == best)):  # a wrong answer ties with the right one
        tied = block[row] == top[row]
        tied[answers[places[row] : places[row] + counts[row]]] = False
        first[row] = tied.argmax()
    return rank, first, top.astype(np.float32), precision


def _precision(scores: Float[np.ndarray, "G"], own: Float[np.ndarray, "P"]) -> float:
    """Return the average precision of a query by the scores of all answers and of the right ones; a tie with a wrong one counts as lost."""
    own, gallery = np.sort(own), len(scores)
    if len(own) > FEW:
        above = gallery - np.searchsorted(np.sort(scores), own)
    else:
        above = np.array([np.count_nonzero(scores >= one) for one in own])
    wrong = above - (len(own) - np.searchsorted(own, own))  # of those that are not behind, the right ones are known
    place = np.arange(len(own), 0, -1)  # among the right ones
    return float((place / (place + wrong)).mean())


def chance_of(k: int, right: Int[np.ndarray, "Q"], gallery: int) -> float:
    """Return recall at k of answers in random order, meaned over queries with so many right answers each."""
    counts, times = np.unique(right, return_counts=True)
    return 1.0 - float(np.average([_miss(k, int(count), gallery) for count in counts], weights=times))


def _miss(k: int, count: int, gallery: int) -> float:
    """Return how likely none of so many right answers is among the first k, in random order.

    That no right answer is drawn in k, and that none of the k is right in `count`, are one number: C(G-c, k)/C(G, k) = C(G-k, c)/C(G, c). The
    smaller of the two is drawn, since integers of k factors take k squared. It is below exp(-ck/G), hence nothing beside 1 from 40 on.
    """
    if k > gallery or k * count > 40 * gallery:
        return 0.0
    few, many = sorted((k, count))
    return comb(gallery - many, few) / comb(gallery, few)


def median_chance(right: Int[np.ndarray, "Q"], gallery: int) -> int:
    """Return the median over queries of the best right answer's rank, where answers are in random order."""
    return 1 + bisect_left(range(1, gallery + 1), 0.5, key=lambda k: chance_of(k, right, gallery))


def precision_chance(right: Int[np.ndarray, "Q"], gallery: int) -> float:
    """Return the average precision that answers in random order have in expectation, meaned over the queries.

    A place k is right with probability m/G, and then holds 1 + (k - 1)(m - 1)/(G - 1) right answers down to it.
    """
    counts, times = np.unique(right, return_counts=True)
    harmonic = float((1 / np.arange(1, gallery + 1)).sum())
    others = (counts - 1) / max(gallery - 1, 1)
    return float(np.average((harmonic + others * (gallery - harmonic)) / gallery, weights=times))
