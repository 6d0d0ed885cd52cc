"""The numbers of a training, as recipes and scales give them. No torch here: whoever reads a recipe reads this."""

from dataclasses import dataclass, replace
from typing import Literal

from components.contracts.errors import ConfigError

Precision = Literal["auto", "bf16", "fp32"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimisation:
    """How fast what learns: the numbers of a recipe.

    Args:
        lr: highest learning rate.
        weight_decay: decoupled, on matrices and tables only.
        optimizer: `adamw`, as in most papers, or `muon`, which gets further in few steps.
        warmup: share of the steps in which the rate rises, in [0, 1).
        betas: AdamW's two.
        eps: AdamW's.
        momentum: Muon's.
        fallback: rate of what Muon leaves to AdamW (tables, gains, biases), as a share of lr.
        clip_norm: the gradient's norm is cut to it; null leaves it.
    """

    lr: float
    weight_decay: float
    optimizer: Literal["adamw", "muon"] = "adamw"
    warmup: float = 0.1
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-6
    momentum: float = 0.95
    fallback: float = 0.5
    clip_norm: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much of it: the numbers of a scale.

    Args:
        batch: pairs an optimizer step.
        steps: optimizer steps.
        pixels: pixels a side of what the tower sees.
        precision: `auto` takes bf16 where the chip multiplies in it.
        watch_every: steps between two looks at the validation split.
        checkpoint_every: steps between two checkpoints.
        curve_every: steps between two rows of the curves.
        workers: processes that make batches beside the training; 0 makes them in its own. They change no bit.

    Raises ConfigError when workers is negative.
    """

    batch: int
    steps: int
    pixels: int
    precision: Precision = "auto"
    watch_every: int = 100
    checkpoint_every: int = 25
    curve_every: int = 5
    workers: int = 0

    def __post_init__(self) -> None:
        if self.workers < 0:
            raise ConfigError(
                f"workers is {self.workers}. Give the number of processes that make batches; 0 makes them in the training's own."
            )

    def deciding(self) -> "Scale":
        """Return the scale without the numbers that change how fast a training is and never what comes of it."""
        return replace(self, workers=0)
