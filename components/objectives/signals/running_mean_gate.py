"""How much a pair counts: the less, the further its cosine lies below the running mean of all pairs' cosines.

Source: Yang et al. 2023, arXiv:2308.08428, the weight of both consistency gates (seed 12), and deepglint/ALIP for its order: a batch
enters the mean before it is weighed. Differs: the mean lies in the checkpoint, and pairs that are not real do not enter it.
Axes: B rows of all ranks, R local rows, D shared width.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import normalize

from components.contracts.errors import ConfigError
from components.contracts.gathered import Gathered, sides
from components.contracts.signal import Signal


class RunningMeanGate(Signal):
    """`exp(gamma (cosine - mean))` of each local row; `mean` is a buffer, of all ranks' rows and so the same on each.

    As long as `mean` is near its start of 1, all weights are small: the training begins softly.

    Args:
        momentum: share of the mean that a batch leaves as it is; 0.99 in the paper, in [0, 1).
        start: of the mean; 1 in the paper, above any cosine.
        gamma: how fast weights fall with the cosine; 2 in the paper, and 0 weighs all alike.
        cap: whether no weight is above 1.

    Raises ConfigError for a momentum or a gamma out of range.
    """

    mean: Tensor

    def __init__(self, momentum: float = 0.99, start: float = 1.0, gamma: float = 2.0, cap: bool = True) -> None:
        super().__init__()
        if not 0 <= momentum < 1:
            raise ConfigError(
                f"momentum is {momentum}, but it is the share of a running mean that a batch leaves as it is. Give 0.99 as in the "
                "paper, or another number from 0 to below 1."
            )
        if gamma < 0:
            raise ConfigError(
                f"gamma is {gamma}, so pairs that fit badly would count most. Give 2 as in the paper, or 0 to weigh all alike."
            )
        self.momentum, self.gamma, self.cap = momentum, gamma, cap
        self.register_buffer("mean", torch.tensor(float(start)))

    @torch.no_grad()
    def forward(
        self,
        one: Float[Tensor, "B D"] | Gathered,
        other: Float[Tensor, "B D"] | Gathered,
        *,
        given: Bool[Tensor, " B"] | None = None,
    ) -> Float[Tensor, " R"]:
        """Return a weight for each local row, above 0; row i of both sides is a pair. In training the mean moves first.

        A row of zeros has a cosine of 0, one that is not finite a weight that is not, so that guards see it.

        Args:
            given: False where a pair is none, such as where a text is missing: it does not enter the mean, and weighs 1.

        Raises ConfigError for sides of which a sample has several rows.
        """
        ours, theirs = sides(one, other)
        if len(ours.all) != len(theirs.all):
            raise ConfigError(
                f"there are {len(ours.all)} rows and {len(theirs.all)}, but a gate weighs pairs, a row of each side. Give each sample one text of "
                "a kind."
            )
        cosines = (_unit(ours.all) * _unit(theirs.all)).sum(1)
        if self.training:
            self._take(cosines, torch.ones_like(cosines) if given is None else given.to(cosines.dtype))
        weights = torch.exp(self.gamma * (cosines - self.mean))
        if self.cap:
            weights = weights.clamp(max=1)
        if given is not None:
            weights = torch.where(given, weights, torch.ones_like(weights))
        return weights[ours.offset : ours.offset + len(ours.local)]

    def _take(self, cosines: Tensor, counts: Tensor) -> None:
        """Let a batch enter the mean; one without a real pair changes nothing."""
        some = counts.sum()
        batch = torch.where(counts > 0, cosines, torch.zeros_like(cosines)).sum() / some.clamp(min=1)
        self.mean.lerp_(torch.where(some > 0, batch, self.mean), 1 - self.momentum)


def _unit(rows: Tensor) -> Tensor:
    return normalize(rows.float(), dim=-1)
