"""The numbers of a training, as recipes and scales give them. No torch here: whoever reads a recipe reads this."""

from dataclasses import dataclass, field, replace
from typing import Literal

from components.contracts.errors import ConfigError

Precision = Literal["auto", "bf16", "fp32"]
Compile = bool | Literal["aot_eager"]


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
        schedule: how the rate moves after the warm-up: along half a `cosine`, `wsd` (stable, then down over the cooldown),
            or `constant`.
        cooldown: share of the steps in which `wsd` comes down, in (0, 1); at most what the warm-up leaves.
        floor: share of lr that is left at the end, in [0, 1].
        layer_decay: a layer's rate as a share of the one above it, in (0, 1]; 1 is the same for all.
        rates: pattern of parameter names -> share of the rate, the first that fits; none gives all the same.
        ema: of the weights, how much of the running mean is kept at each step, in (0, 1); null takes the weights as they are.

    Raises ConfigError for a number outside of its range.
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
    schedule: Literal["cosine", "wsd", "constant"] = "cosine"
    cooldown: float = 0.2
    floor: float = 0.0
    layer_decay: float = 1.0
    rates: dict[str, float] = field(default_factory=dict)
    ema: float | None = None

    def __post_init__(self) -> None:
        ranges = {
            "warmup": (0 <= self.warmup < 1, "from 0 to below 1"),
            "cooldown": (0 < self.cooldown < 1, "above 0 and below 1"), "floor": (0 <= self.floor <= 1, "from 0 to 1"),
            "layer_decay": (0 < self.layer_decay <= 1, "above 0, at most 1"),
            "ema": (self.ema is None or 0 < self.ema < 1, "above 0 and below 1, or null"),
        }  # fmt: skip
        for name, (fits, allowed) in ranges.items():
            if not fits:
                raise ConfigError(f"{name} is {getattr(self, name)}, but it is a share. Give a number {allowed}.")
        if self.schedule == "wsd" and self.warmup + self.cooldown > 1:
            raise ConfigError(
                f"warmup is {self.warmup} and cooldown {self.cooldown}, but wsd rises in the first share of the steps and comes down in the second, so "
                "that the rate would leap from one to the other. Make them 1 or less together."
            )


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
        micro_batch: pairs that a rank encodes at once, where its part of the batch has no room; 0 encodes all at once.
        recompute: whether towers compute their blocks again for the gradient, which takes a third more time and less memory.
        shard: whether several ranks split weights, gradients and moments of the towers among them (FSDP2), where one GPU has no
            room for all; one rank alone has nothing to split.
        compile: whether torch compiles the towers, by inductor, which takes time and a compiler; `aot_eager` traces them
            and makes no kernels, which shows whether they can be compiled.

    Raises ConfigError when workers or micro_batch is negative.
    """

    batch: int
    steps: int
    pixels: int
    precision: Precision = "auto"
    watch_every: int = 100
    checkpoint_every: int = 25
    curve_every: int = 5
    workers: int = 0
    micro_batch: int = 0
    recompute: bool = False
    shard: bool = False
    compile: Compile = False

    def __post_init__(self) -> None:
        if self.micro_batch < 0:
            raise ConfigError(
                f"micro_batch is {self.micro_batch}. Give the pairs that a rank encodes at once; 0 encodes all of them."
            )
        if self.workers < 0:
            raise ConfigError(
                f"workers is {self.workers}. Give the number of processes that make batches; 0 makes them in the training's own."
            )

    def deciding(self) -> "Scale":
        """Return the scale without the numbers that change how fast a training is and never what comes of it."""
        return replace(self, workers=0)
