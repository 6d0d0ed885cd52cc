"""One random point for each pair, that both of its sides are drawn towards: pairs meet, and all together stay spread.

Source: Yamaguchi et al. 2025, arXiv:2504.12717, section 4.1 (seed 27). Differs: over ranks all draw the batch's points, and each
takes those of its own pairs, so that two ranks see what one process sees.
Axes: R rows of this rank, D width.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from components.contracts.gathered import Gathered, Side, sides
from components.contracts.signal import Signal


class RandomReference(Signal):
    """Draws anew at every call, from the draw that the loop seeds by step: a resumed step draws what an undisturbed one drew.

    Args:
        prior: `normal`, of mean 0 and deviation 1 in each dimension, as in the paper, or `uniform` in [0, 1).
    """

    def __init__(self, prior: Literal["normal", "uniform"] = "normal") -> None:
        super().__init__()
        self.prior = prior

    @torch.no_grad()
    def forward(self, image: Side, text: Side) -> tuple[Float[Tensor, "R D"], Float[Tensor, "R2 D"]]:
        """Return the point of each local row of either side; of the rows only their width and whose they are is looked at."""
        pictures, texts = sides(image, text)
        count = max(_samples(side) for side in (pictures, texts))
        draw = torch.randn if self.prior == "normal" else torch.rand
        points = draw(count, pictures.all.shape[1])  # on the CPU, so that every device sees the same
        return _of(points, pictures), _of(points, texts)


def _samples(side: Gathered) -> int:
    return len(side.all) if side.owner is None else int(side.owner.max()) + 1


def _of(points: Tensor, side: Gathered) -> Tensor:
    return points.to(side.local.device)[side.local_samples()]
