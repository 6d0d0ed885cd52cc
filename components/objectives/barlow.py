"""What pictures say and what texts say should agree dimension by dimension, and no two dimensions should say the same.

Source: Zbontar et al. 2021, arXiv:2103.03230, equation 1, between pictures and texts as in Fini et al. 2023, arXiv:2305.08675 (BarLIP).
Differs: it makes each dimension's mean 0 and variance 1 itself, so a head needs no norm at its end.
Golden: lightly BarlowTwinsLoss, value and gradient, float32, rtol 1e-5.
Axes: B pairs, D width.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from components.contracts.errors import ConfigError
from components.contracts.gathered import Gathered, Side, sides
from components.contracts.objective import Objective

_LEAST = 1e-5  # variance below which a dimension counts as one that says nothing, as of batch norms


class BarlowLoss(Objective):
    """Squared distance of the correlations between both sides' dimensions from the identity.

    Args:
        off_diagonal: weight of correlations between different dimensions, at least 0; 0.005 in the paper.
        weight: of the whole; 0.025 in the second paper, since it is a sum over D x D numbers.

    Raises ConfigError for weights below 0.
    """

    def __init__(self, off_diagonal: float = 0.005, weight: float = 0.025) -> None:
        super().__init__()
        if min(off_diagonal, weight) < 0:
            raise ConfigError(
                f"off_diagonal is {off_diagonal} and weight {weight}, but neither can be below 0. Use 0.005 and 0.025 for the paper's values."
            )
        self.off_diagonal, self.weight = off_diagonal, weight

    def forward(self, image: Side, text: Side) -> Float[Tensor, ""]:
        """Return the loss of all ranks' pairs, on each of them; row i of both sides belongs together.

        Raises ConfigError for one pair, which has no correlations, and for several texts of a picture.
        """
        left, right = (_standard(_all(side)) for side in sides(image, text))
        with torch.autocast(left.device.type, enabled=False):
            correlation = left.T @ right / len(left)
            apart = (correlation - torch.eye(left.shape[1], device=left.device)).square()
            same = apart.diagonal().sum()
            return self.weight * (same + self.off_diagonal * (apart.sum() - same))


def _all(side: Gathered) -> Float[Tensor, "B D"]:
    if side.owner is not None:
        raise ConfigError(
            "rows have owners, but BarlowLoss takes one picture and one text of each sample, in one order."
        )
    if len(side.all) < 2:
        raise ConfigError("the batch is one pair, which has no correlations. Set batch to 2 or more.")
    return side.all.float()


def _standard(rows: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
    centred = rows - rows.mean(0)
    return centred * (centred.square().mean(0) + _LEAST).rsqrt()
