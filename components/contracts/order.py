"""Which rows come at which step. Whoever knows the order can go on from any step, on any number of machines."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class Order(Protocol):
    """An endless order of batches that keeps no state: what comes at a step depends on the seed and the step alone.

    Every batch is full and has no row twice. tests/contracts/test_orders.py holds every sampler to it.
    """

    @property
    def batch(self) -> int:
        """Rows a batch, over all ranks."""
        ...

    @property
    def steps_per_epoch(self) -> int:
        """Steps after which the order is shuffled anew."""
        ...

    def at(self, step: int) -> list[int]:
        """Return the rows of one step, counted from 0 over all epochs; the same whatever was asked before."""
        ...
