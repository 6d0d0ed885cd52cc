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


@dataclass(frozen=True, kw_only=True)  # no slots: jsonargparse reads the fields of a default by vars()
class Guards:
    """What is done when a training goes wrong: `off`, `log`, `skip` the step, `roll_back` and leave the batch out, `stop`.

    A state that no single step made (a scale at its bound, features that collapsed, waiting for data) is logged or stops:
    going back would lead there again.

    Args:
        non_finite: a loss or a gradient is no finite number.
        spike: the loss is far above its running median.
        spike_deviations: how far, in deviations (1.4826 times the median distance from the median).
        spike_window: losses that the median is over; half of them must be there before one is judged.
        scale_capped: the logit scale has been at its bound for `patience` looks.
        collapsed: embeddings have nearly one direction, or lie on a line, for `patience` looks after the warm-up.
        starved: the share of the time spent waiting for data is above `most_waiting` for `patience` looks.
        most_waiting: that share, 0 to 1.
        patience: looks (`curve_every` steps each) that such a state may last.
        tries: steps that may be skipped or rolled back within `spike_window` steps; one more stops.
        rank_timeout_s: seconds after which a rank that does not answer counts as dead, which stops; not with one rank.

    Raises ConfigError for numbers that guard nothing.
    """

    non_finite: Literal["skip", "roll_back", "stop"] = "skip"
    spike: Literal["off", "log", "skip", "roll_back", "stop"] = "log"
    spike_deviations: float = 10.0
    spike_window: int = 50
    scale_capped: Literal["off", "log", "stop"] = "log"
    collapsed: Literal["off", "log", "stop"] = "log"
    starved: Literal["off", "log", "stop"] = "log"
    most_waiting: float = 0.5
    patience: int = 5
    tries: int = 3
    rank_timeout_s: float = 600.0

    def __post_init__(self) -> None:
        least = {
            "spike_deviations": 1.0, "spike_window": 4, "most_waiting": 0.0, "patience": 1, "tries": 0, "rank_timeout_s": 1.0,
        }  # fmt: skip
        for name, low in least.items():
            if getattr(self, name) < low:
                raise ConfigError(f"{name} is {getattr(self, name)}, which guards nothing. Give it {low:g} or more.")


ON_GUARD = Guards()


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
