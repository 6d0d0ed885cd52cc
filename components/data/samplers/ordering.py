"""What a recipe says of the order: which sampler, by which numbers. The rows, the batch and the seed are not the recipe's."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from components.contracts.errors import ConfigError
from components.contracts.order import Order
from components.data.selection import Pool

SOURCE = "source"  # who made a row; every other name is that of a label


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What an order may go by.

    Args:
        concepts: what each row shows.
        sources: who made each.
        labels: label -> group of each row, such as `category` -> `Flags`; empty where no labels are known.
        lengths: gives the tokens of the longest caption of each; called only by an order that goes by them.
        often: how often each is to come, 1 in the mean; none where all are to come as often.
    """

    concepts: tuple[str, ...]
    sources: tuple[str, ...]
    labels: tuple[Mapping[str, str], ...]
    lengths: Callable[[], list[int]]
    often: tuple[float, ...] = ()

    @classmethod
    def of(cls, pool: Pool, lengths: Callable[[], list[int]], often: tuple[float, ...] = ()) -> "Rows":
        """Return the rows of a selection."""
        return cls(concepts=pool.concepts, sources=pool.sources, labels=pool.groups, lengths=lengths, often=often)

    def by(self, name: str) -> tuple[str, ...]:
        """Return the source, or the group by a label, of each row; rows without that label are a group, `no <label>`.

        Raises ConfigError, with what there is, for a label that no row has.
        """
        if name == SOURCE:
            return self.sources
        known = sorted({label for own in self.labels for label in own})
        if name not in known:
            raise ConfigError(
                f"by is {name!r}, but no picture to train on has such a label, so there would be one group of all. "
                f"Set training.order.init_args.by to one of these: {', '.join([SOURCE, *known])}."
            )
        return tuple(own.get(name, f"no {name}") for own in self.labels)


class Ordering(ABC):
    """Base of what may stand as `training.order` in a recipe; an heir's arguments are its numbers."""

    weighs: ClassVar[bool] = False
    """Whether it lets rows come as `often` as they say."""

    def checked(self, rows: Rows, batch: int, seed: int) -> Order:
        """Return `order`; ConfigError for rows that come unequally often where it cannot let them, else as of it."""
        if rows.often and not self.weighs:
            raise ConfigError(
                f"training.texts draws languages by a language_alpha, for which some pictures come oftener, but {type(self).__name__} has all come as "
                "often. Leave training.order out, or language_alpha."
            )
        return self.order(rows, batch, seed)

    @abstractmethod
    def order(self, rows: Rows, batch: int, seed: int) -> Order:
        """Return an order over the rows.

        Raises ConfigError for numbers that do not fit the rows, DataError for rows that nothing can be learnt of.
        """
