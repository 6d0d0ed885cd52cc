"""What a contrast is told of a batch, for both of its directions.

Axes: R local rows, C columns they are held against; the two sides may have other numbers of each.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Directions:
    """A matrix a direction: a row for each picture over the texts, and a row for each text over the pictures.

    Args:
        image_to_text: [R C], float or bool.
        text_to_image: [R C] of the other side, the same kind.
    """

    image_to_text: Float[Tensor, "R1 C1"] | Bool[Tensor, "R1 C1"]
    text_to_image: Float[Tensor, "R2 C2"] | Bool[Tensor, "R2 C2"]

    @classmethod
    def both(cls, matrix: Tensor) -> "Directions":
        """Return a matrix and its transpose: what holds of a pair holds from either side."""
        return cls(image_to_text=matrix, text_to_image=matrix.T)

    def distributions(self) -> "Directions":
        """Return rows that sum to one; a row of nothing stays one."""
        return Directions(image_to_text=_shares(self.image_to_text), text_to_image=_shares(self.text_to_image))


def _shares(matrix: Tensor) -> Float[Tensor, "R C"]:
    matrix = matrix.float()
    total = matrix.sum(1, keepdim=True)
    return matrix / torch.where(total > 0, total, torch.ones_like(total))
