"""A gallery cut down to some of its answers: those of one language, say, so that a picture looks for its text among texts of that language alone.

Source: Srinivasan et al. 2021, arXiv:2103.01913, section 5 (each language is a retrieval of its own). Differs: nothing.
Axes: Q queries, G gallery, C columns that are left, A queries that still have a right answer.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from components.contracts.evaluator import Scores
from components.evaluation.ranking import Right


def among(right: Right, columns: Int[np.ndarray, "C"]) -> tuple[Right, Int[np.ndarray, "A"]]:
    """Return what is right among some answers, ascending, by their new numbers, and the queries that have such a one."""
    number = np.full(right.gallery, -1)
    number[columns] = np.arange(len(columns))
    query, its = np.repeat(np.arange(len(right)), right.counts), number[right.answers]
    counts = np.bincount(query[its >= 0], minlength=len(right))
    asked = np.flatnonzero(counts)
    starts = np.concatenate([[0], counts[asked].cumsum()])
    return Right(starts=starts, answers=its[its >= 0], gallery=len(columns)), asked


@dataclass(frozen=True, slots=True, kw_only=True)
class SomeRows:
    """Some rows of scores, computed as they are asked for.

    Args:
        scores: of Q queries.
        rows: int [A], ascending.
    """

    scores: Scores
    rows: Int[np.ndarray, "A"]

    def __getitem__(self, part: slice) -> Float[np.ndarray, "B C"]:
        """Return some of them."""
        its = self.rows[part]
        return self.scores[int(its[0]) : int(its[-1]) + 1][its - its[0]] if len(its) else self.scores[:0]

    @property
    def shape(self) -> tuple[int, ...]:
        """A and C."""
        return len(self.rows), *self.scores.shape[1:]

    @property
    def T(self) -> Scores:
        """The other way round, all of it at once."""
        return self.scores[:][self.rows].T
