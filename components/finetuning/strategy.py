"""What a recipe's section `finetuning` may name: which part of a trained model trains on, for how long, how fast."""

from abc import ABC, abstractmethod

from torch import nn

from components.contracts.errors import ConfigError
from components.finetuning.freeze import Freeze
from components.training.numbers import Optimisation

GENTLE = Optimisation(optimizer="adamw", lr=5.0e-4, weight_decay=0.1, warmup=0.1)
ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)


class Strategy(ABC):
    """Base of all strategies. Training is the recipe's own method, on the recipe's own selection.

    One that adds weights, such as LoRA, puts them in by `prepare` and takes them up by `merge`, for what leaves fine-tuning
    has the names and shapes of what came in. What no weight can take up stays as a grown part (components/models/grown.py), whose ratio alone
    lies between the start and the tuned model; at alpha 0 it is taken out.

    Args:
        share: of the scale's steps, above 0: 0.25 tunes for a quarter of the steps of pre-training.
        optimisation: how fast; GENTLE where it is left out. The schedule is pre-training's.
        alphas: how far to go from the pre-trained weights (0) to the tuned ones (1); the validation split chooses among
            several, a single one is taken unseen.
    """

    def __init__(
        self, share: float = 0.25, optimisation: Optimisation | None = None, alphas: tuple[float, ...] = ALPHAS
    ) -> None:
        if not share > 0:
            raise ConfigError(
                f"share is {share}, but it is how many of the scale's steps are taken again. Give a number above 0, such "
                "as 0.25; to tune nothing, set finetuning to null."
            )
        if not alphas or not all(0 <= alpha <= 1 for alpha in alphas):
            raise ConfigError(
                f"alphas are {list(alphas)}, but there must be one at least, each from 0 (the pre-trained weights) to 1 "
                "(the tuned ones). Give [0.5] to mix half and half, or several to choose from."
            )
        self.share, self.optimisation, self.alphas = share, optimisation or GENTLE, tuple(alphas)

    @property
    def called(self) -> str:
        """How a person reads it, such as `LoRA r=8`; empty where its name says enough."""
        return ""

    @abstractmethod
    def prepare(self, model: nn.Module) -> Freeze:
        """Make the model ready to be tuned, in place, and return what trains and what stays."""

    def merge(self, model: nn.Module) -> None:  # noqa: B027  # most have nothing to merge
        """Bring the model back, in place, to the names and shapes it had before `prepare`, but for grown parts."""
