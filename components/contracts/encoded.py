"""What a tower gives back, and what a tower is.

Axes: N rows, D shared width, W tower width.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from components.contracts.batch import Images, Texts


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """One side of a batch, encoded.

    Args:
        pooled: float [N D], projected into the shared space, not of unit length.
        features: float [N W], before the projection.
    """

    pooled: Tensor
    features: Tensor


class Tower(nn.Module):
    """Turns rows of one modality into one vector each.

    `width` is the length of that vector. A tower normalises its own input, so that what is exported takes pixels in
    [0, 1] and token ids, and nothing else has to travel along.
    """

    width: int

    def forward(self, rows: Images | Texts) -> Tensor:
        """Return float [N W]."""
        raise NotImplementedError(f"{type(self).__name__} is a Tower without a forward; write one that returns [N W].")
