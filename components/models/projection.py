"""From a tower's width to the width both sides share, and the scale of their similarity.

Source: Radford et al. 2021, arXiv:2103.00020, section 2.4 and 2.5.
"""

import math

import torch
from torch import Tensor, nn


class Projection(nn.Module):
    """A linear map without bias.

    Args:
        width_in: length of the tower's vector.
        width_out: D, the shared width.
    """

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width_in, width_out, bias=False)
        nn.init.normal_(self.linear.weight, std=width_in**-0.5)

    def forward(self, features: Tensor) -> Tensor:
        """Return float [N D], not of unit length."""
        return self.linear(features)


class LogitScale(nn.Module):
    """The learned slope of the logits, kept as its logarithm, and for losses that want one their offset, `bias`.

    Args:
        temperature: where it starts; the scale is 1 / temperature.
        most: the scale never exceeds it; the paper clamps at 100 to keep training stable.
        bias: where the offset starts (-10 in SigLIP, Zhai et al. 2023, section 3.2); null has none, as in CLIP.
    """

    def __init__(self, temperature: float = 0.07, most: float = 100.0, bias: float | None = None) -> None:
        super().__init__()
        self.most = most
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))
        self.bias = nn.Parameter(torch.tensor(float(bias))) if bias is not None else None

    def forward(self) -> Tensor:
        """Return the scale, float []."""
        return self.log_scale.exp()

    @torch.no_grad()
    def clamp(self) -> None:
        """Bring the scale back to `most`; called after each optimizer step."""
        self.log_scale.clamp_(max=math.log(self.most))
