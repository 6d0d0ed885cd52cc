"""Batches of one group each, such as one language or one maker, so that a wrong answer is as near as the right one."""

from collections import defaultdict
from collections.abc import Sequence

from components.contracts.errors import ConfigError
from components.data.samplers.epochs import Epochs, cut, shuffled
from components.data.samplers.ordering import SOURCE, Ordering, Rows


class GroupBatches(Epochs):
    """An endless order in which the rows of a batch are all of one group; large groups have more batches.

    Every row comes once an epoch. The last batch of a group is filled up with rows of that group which have come
    already: they are drawn anew in every epoch, and are fewer than a batch.

    Args:
        groups: the group of each row.
        batch: rows a batch.
        seed: decides the order of every epoch.

    Raises ConfigError when a group has fewer rows than a batch.
    """

    def __init__(self, groups: Sequence[str], batch: int, seed: int) -> None:
        rows = defaultdict[str, list[int]](list)
        for row, group in enumerate(groups):
            rows[group].append(row)
        smallest = min(rows, key=lambda group: (len(rows[group]), group), default="")
        if batch < 1 or len(rows[smallest]) < batch:
            raise ConfigError(
                f"batch is {batch}, but group {smallest!r} has {len(rows[smallest])} rows, and a batch is of one group without "
                f"a row twice. Set batch to {max(len(rows[smallest]), 1)} or less in the scale, or join small groups."
            )
        self.rows, self.batch, self.seed = dict(sorted(rows.items())), batch, seed
        self.steps_per_epoch = sum(-(-len(own) // batch) for own in self.rows.values())

    def epoch(self, number: int) -> list[list[int]]:
        """Return the batches of one epoch, those of all groups mixed."""
        batches = []
        for group, rows in self.rows.items():
            order = shuffled(rows, self.seed, number, group)
            short = -len(order) % self.batch
            batches += cut(order + order[:short], self.batch)
        return shuffled(batches, self.seed, number)


class Grouped(Ordering):
    """Orders by GroupBatches.

    Args:
        by: what makes a group: `source`, or a label that the rows have, such as `category`.
    """

    def __init__(self, by: str = SOURCE) -> None:
        self.by = by

    def order(self, rows: Rows, batch: int, seed: int) -> GroupBatches:
        """Return the order; ConfigError for a label that no row has, and a group with fewer rows than a batch."""
        return GroupBatches(rows.by(self.by), batch, seed)
