"""What every order is made of: a shuffle that depends on seed and epoch, and the epoch of the last step kept for the next."""

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


class Epochs(ABC):
    """Base of orders that are made an epoch at a time; an heir sets `batch` and `steps_per_epoch`.

    See contracts/order.py for what is promised of an order.
    """

    batch: int
    steps_per_epoch: int
    _kept: tuple[int, list[list[int]]] | None = None

    @abstractmethod
    def epoch(self, number: int) -> list[list[int]]:
        """Return the batches of one epoch; a pure function of seed and number."""

    def at(self, step: int) -> list[int]:
        """Return the rows of one step, counted from 0 over all epochs."""
        number, place = divmod(step, self.steps_per_epoch)
        if self._kept is None or self._kept[0] != number:
            self._kept = (number, self.epoch(number))
        return self._kept[1][place]


def shuffled(items: Sequence[Item], *drawn_from: object) -> list[Item]:
    """Return items in an order that depends on `drawn_from` alone, the same on every machine."""
    order = list(items)
    random.Random("/".join(map(str, drawn_from))).shuffle(order)
    return order


def cut(order: Sequence[int], batch: int) -> list[list[int]]:
    """Return an order cut into batches, the last one shorter where it does not go up."""
    return [list(order[start : start + batch]) for start in range(0, len(order), batch)]
