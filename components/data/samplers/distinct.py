"""Batches in which no two rows are of the same concept, so that no right answer is counted as a wrong one."""

import random
from collections.abc import Sequence
from itertools import accumulate

from components.contracts.errors import ConfigError, DataError
from components.data.samplers.epochs import Epochs
from components.data.samplers.ordering import Ordering, Rows


def fitting(batch: int, groups: Sequence[str]) -> int:
    """Return the rows a batch can have: as asked for, or one of each concept where there are fewer.

    DataError when all rows are of one concept: a contrast needs a wrong pair beside the right one.
    """
    concepts = len(set(groups))
    if concepts == 1:
        raise DataError(
            f"all {len(groups):,} pictures to train on show the same, {groups[0]!r}: nothing tells one from another, so there is "
            "nothing to learn. Give the pictures captions of their own."
        )
    return min(batch, concepts)


class DistinctBatches(Epochs):
    """An endless order of batches; which one comes at which step depends on the seed alone.

    Args:
        groups: the concept of each sample.
        batch: rows a batch.
        seed: decides the order of every epoch.
        often: how often each row comes, 1 in the mean; none where all come as often. A row that is to come oftener than there are
            batches in an epoch comes in each.

    Raises ConfigError when the data has fewer concepts than a batch has rows.
    """

    def __init__(self, groups: Sequence[str], batch: int, seed: int, often: Sequence[float] = ()) -> None:
        concepts = len(set(groups))
        if batch > concepts:
            raise ConfigError(
                f"batch is {batch}, but the training data has {concepts} concepts, and a batch holds each once. "
                f"Set batch to {concepts} or less in the scale, or bring more data."
            )
        if batch < 2:
            raise ConfigError(
                f"batch is {batch}, but a contrast needs a wrong pair beside the right one. Give at least 2."
            )
        self.groups, self.batch, self.seed = list(groups), batch, seed
        self.upto = list(accumulate(often))
        self.steps_per_epoch = max(1, len(groups) // batch)

    def epoch(self, number: int) -> list[list[int]]:
        """Return the batches of one epoch.

        Rows are taken in a shuffled order; one whose concept is already there waits for the next batch. Where the last
        batches run short of new concepts, rows of this epoch come a second time, and where these are too few of them, any.
        """
        shuffle = random.Random(f"{self.seed}/{number}")
        coming = self._coming(shuffle.random()) if self.upto else list(range(len(self.groups)))
        waiting = list(coming)
        shuffle.shuffle(waiting)
        batches = []
        for _ in range(self.steps_per_epoch):
            taken = dict[str, int]()
            waiting = self._take(waiting, taken)
            for more in (coming, range(len(self.groups))):
                if len(taken) < self.batch:
                    again = list(more)
                    shuffle.shuffle(again)
                    self._take(again, taken)
            batches.append(list(taken.values()))
        return batches

    def _coming(self, offset: float) -> list[int]:
        """Return the rows of an epoch, each as often as it should come, rounded so that all together are as many as there are rows."""
        scale = len(self.upto) / self.upto[-1]
        ends = [int(end * scale + offset) for end in self.upto]
        return [row for row, (start, end) in enumerate(zip([0, *ends], ends, strict=False)) for _ in range(end - start)]

    def _take(self, rows: list[int], taken: dict[str, int]) -> list[int]:
        """Move rows of new concepts into `taken` until it is a batch; return the rows that were left."""
        left: list[int] = []
        for place, row in enumerate(rows):
            if len(taken) == self.batch:
                return left + rows[place:]
            if self.groups[row] in taken:
                left.append(row)
            else:
                taken[self.groups[row]] = row
        return left


class Distinct(Ordering):
    """Orders by DistinctBatches; where there are fewer concepts than a batch has rows, a batch has one row of each."""

    weighs = True

    def order(self, rows: Rows, batch: int, seed: int) -> DistinctBatches:
        """Return the order; DataError when all rows are of one concept."""
        return DistinctBatches(rows.concepts, fitting(batch, rows.concepts), seed, rows.often)
