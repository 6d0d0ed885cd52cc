"""Which part of a batch is one rank's: a rule, so that a run can go on with another number of ranks."""

from dataclasses import dataclass

from components.contracts.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A rank's part of every batch; the ranks' parts in order are the batch.

    Order is made for the whole batch and cut afterwards. So the number of ranks decides who takes a sample, never
    whether or when it is taken.

    Args:
        rank: which one this is, from 0.
        world: how many there are.

    Raises ConfigError for a rank that such a world does not have.
    """

    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.world:
            raise ConfigError(
                f"rank is {self.rank} of a world of {self.world}, but ranks count from 0 to {max(self.world, 1) - 1}. "
                "Start each process with the RANK and WORLD_SIZE that torchrun gives it."
            )

    def of(self, batch: int) -> slice:
        """Return the rows of a batch that are this rank's; ConfigError when the batch does not split evenly."""
        micro, rest = divmod(batch, self.world)
        if rest or not micro:
            near = [count * self.world for count in (micro, micro + 1) if count]
            raise ConfigError(
                f"batch {batch} does not split over {self.world} ranks. A short last rank would weight its pairs more and "
                f"change the loss. The nearest that split are {' and '.join(map(str, near))}; set one in the scale."
            )
        return slice(self.rank * micro, (self.rank + 1) * micro)
