"""How a model takes the weights of a smaller one. No torch here: whoever reads a recipe reads this."""

from dataclasses import dataclass

from components.contracts.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Inherit:
    """How a model takes the weights of a smaller one.

    Args:
        beta: share of the old weight, from 0 to 1; the rest is what was drawn. Biases, norms, tables and scale are never mixed.
        identity: whether the branches of a block that is new end in zeros, so that it changes nothing at first.

    Raises ConfigError for a share that is none.
    """

    beta: float = 1.0
    identity: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.beta <= 1:
            raise ConfigError(f"beta is {self.beta}, but it is a share of the old weights. Give a number from 0 to 1.")
