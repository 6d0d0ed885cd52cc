"""A paper's algorithm: what it computes from a batch, in plain Python."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor, nn

from components.contracts.batch import Batch
from components.contracts.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Where training stands: `step` of `total_steps` (optimizer steps), in `epoch`."""

    step: int
    total_steps: int
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """What one step gives.

    Args:
        terms: name -> float [], summed by the loop.
        seen: name -> float [], only logged.
        embedded: name -> float [N D] without gradient, only looked at: whether all rows have become one.
    """

    terms: Mapping[str, Tensor]
    seen: Mapping[str, Tensor] = field(default_factory=dict)
    embedded: Mapping[str, Tensor] = field(default_factory=dict)


class Method(nn.Module):
    """Base of all methods. Holds the model and the parts; state sits in sub-modules, so that checkpoints have it.

    `per_rank` names the buffers that each rank has of its own, such as a queue of the rows it has seen; all others are alike.
    `wants_start` says whether it means nothing for a model whose weights were drawn.
    """

    model: nn.Module
    per_rank: tuple[str, ...] = ()
    wants_start: ClassVar[bool] = False

    def begin(self) -> None:
        """Take note of the weights that the model begins with, such as for a teacher; called once, before any step."""

    def check_negatives(self) -> None:
        """Raise ConfigError, before anything is trained, where it does not read texts that do not fit; most do not."""
        raise ConfigError(
            f"training.negatives brings texts that do not fit some pictures, but {type(self).__name__} does not read them, so that nothing would be learnt "
            "of them. Take it out, or take a method that does: components.methods.clip.Clip."
        )

    def begins_from(self) -> tuple[nn.Module, str]:
        """Return what the weights of a start are for, and how their names begin in it: the whole model, unless a paper begins with a part."""
        return self.model, ""

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        """Return the terms of this step."""
        raise NotImplementedError(
            f"{type(self).__name__} has no losses(batch, clock); write the paper's algorithm there."
        )

    def after_step(self, clock: Clock) -> None:
        """Do what the paper does after each optimizer step, such as clamping the scale."""
