"""LoRA: every linear map gets a correction of low rank, and nothing else trains but the scale of the logits.

Source: Hu et al. 2021, arXiv:2106.09685, section 4.1 (W + B A alpha/r, A drawn and B nought at the start). Differs: all linear maps of both
towers and the projections are corrected unless `towers` says otherwise, and the scale of the logits trains along.
Golden: peft 0.21's LoRA of a linear map, value, gradients and the merged weight, float32, rtol 1e-5.
Axes: O outputs, I inputs, R rank.
"""

import math
import zlib
from fnmatch import fnmatchcase

import torch
from jaxtyping import Float
from torch import Tensor, nn

from components.contracts.errors import ConfigError
from components.finetuning.freeze import Freeze
from components.finetuning.grafted import graft, take_up
from components.finetuning.strategy import ALPHAS, Strategy
from components.training.numbers import Optimisation

CORRECTED = "parametrizations.weight.0"


class LowRank(nn.Module):
    """A weight and its correction; at the start the weight itself, to the last bit.

    Args:
        weight: [O I].
        rank: of the correction.
        scale: what the correction is multiplied with.

    What the correction begins with is drawn from the bytes of the weight, so that a tuning that goes on, in another process, has the same.
    """

    def __init__(self, weight: Float[Tensor, "O I"], rank: int, scale: float) -> None:
        super().__init__()
        outputs, inputs = weight.shape
        self.scale = scale
        draw = torch.Generator().manual_seed(zlib.crc32(weight.detach().cpu().numpy().tobytes()))
        drawn = (2 * torch.rand(rank, inputs, generator=draw) - 1) / math.sqrt(inputs)  # as peft draws it
        self.down = nn.Parameter(drawn.to(weight))
        self.up = nn.Parameter(torch.zeros(outputs, rank, dtype=weight.dtype, device=weight.device))

    def forward(self, weight: Float[Tensor, "O I"]) -> Float[Tensor, "O I"]:
        """Return the corrected weight."""
        return weight + self.scale * (self.up @ self.down)


class Lora(Strategy):
    """Trains corrections of low rank; arguments as of Strategy, and

    Args:
        rank: of each correction, 1 or more; that of a smaller map is as high as the map allows.
        alpha: a correction is multiplied with alpha / rank.
        towers: patterns of names of the linear maps that are corrected, such as `text.*`.
    """

    def __init__(
        self, share: float = 0.25, optimisation: Optimisation | None = None, alphas: tuple[float, ...] = ALPHAS,
        rank: int = 8, alpha: float = 16.0, towers: tuple[str, ...] = ("*",),
    ) -> None:  # fmt: skip
        super().__init__(share, optimisation, alphas)
        if rank < 1 or not alpha > 0:
            raise ConfigError(
                f"rank is {rank} and alpha {alpha}, but a correction has one rank at least, and is multiplied with alpha / rank. 8 and 16 are usual."
            )
        self.rank, self.alpha, self.towers = rank, alpha, tuple(towers)

    @property
    def called(self) -> str:
        """How a person reads it."""
        return f"LoRA r={self.rank}"

    def prepare(self, model: nn.Module) -> Freeze:
        """Put the corrections in, and return all else as what stays; ConfigError where no linear map has such a name."""
        maps = [
            (name, part)
            for name, part in model.named_modules()
            if isinstance(part, nn.Linear) and any(fnmatchcase(name, pattern) for pattern in self.towers)
        ]
        if not maps:
            raise ConfigError(
                f"towers are {list(self.towers)}, and no linear map of {type(model).__name__} has such a name, so nothing would train. '*' takes all."
            )
        for _, part in maps:
            rank = min(self.rank, *part.weight.shape)
            graft(part, "weight", LowRank(part.weight.detach(), rank, self.alpha / rank))
        names = [name for name, _ in maps]
        return Freeze(
            model,
            ("logit_*", *(f"{name}.{CORRECTED}.*" for name in names)),
            takes_up=tuple(f"{name}.*weight*" for name in names),
        )

    def merge(self, model: nn.Module) -> None:
        """Take the corrections up into the weights."""
        take_up(model)
