"""From a tower's width to the width both sides share, and the scale of their similarity.

Source: Radford et al. 2021, arXiv:2103.00020, section 2.4 and 2.5.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from components.contracts.errors import ConfigError


class Projection(nn.Module):
    """A linear map, by default without bias.

    Args:
        width_in: length of the tower's vector.
        width_out: D, the shared width.
        kind: `linear` has no bias, `affine` has one, `none` takes the vector as it is, which needs equal widths.
        offset: length of the bias at the start, in a drawn direction: what is far from 0 lies in a narrow cone, and the cones of two
            sides apart (Liang et al. 2022, arXiv:2203.02053). Above 0 for `affine` alone; 0 begins without.
    """

    def __init__(
        self, width_in: int, width_out: int, kind: Literal["linear", "affine", "none"] = "linear", offset: float = 0.0
    ) -> None:
        super().__init__()
        if offset and kind != "affine":
            raise ConfigError(f"offset is {offset}, but kind is {kind}, which has no bias. Use affine, or no offset.")
        self.width_in, self.width_out, self.kind = width_in, width_out, kind
        if kind == "none":
            if width_in != width_out:
                raise ConfigError(
                    f"kind is none, which changes no width, but {width_in} must become {width_out}. Use linear, or give the "
                    "tower the shared width."
                )
            self.linear: nn.Module = nn.Identity()
            return
        self.linear = nn.Linear(width_in, width_out, bias=kind == "affine")
        nn.init.normal_(self.linear.weight, std=width_in**-0.5)
        if kind == "affine":
            nn.init.zeros_(self.linear.bias)
        if offset:
            drawn = torch.randn(width_out)
            self.linear.bias.data = offset * drawn / drawn.norm()

    def forward(self, features: Tensor) -> Tensor:
        """Return float [N D], not of unit length."""
        return self.linear(features)

    def check(self, side: str, width_in: int, width_out: int) -> None:
        """Raise ConfigError when it stands between other widths than those of its model."""
        if (self.width_in, self.width_out) != (width_in, width_out):
            raise ConfigError(
                f"{side}_projection goes from {self.width_in} to {self.width_out}, but the {side} tower is {width_in} wide and "
                f"the model {width_out}. Give it these two widths, or leave it out."
            )


class LogitScale(nn.Module):
    """The learned slope of the logits, kept as its logarithm, and for losses that want one their offset, `bias`.

    Args:
        temperature: where it starts; the scale is 1 / temperature.
        most: the scale never exceeds it; the paper clamps at 100 to keep training stable.
        bias: where the offset starts (-10 in SigLIP, Zhai et al. 2023, section 3.2); null has none, as in CLIP.
        learn: whether both are learned; false keeps them where they start.
    """

    def __init__(
        self, temperature: float = 0.07, most: float = 100.0, bias: float | None = None, learn: bool = True
    ) -> None:
        super().__init__()
        self.most = most
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))
        self.bias = nn.Parameter(torch.tensor(float(bias))) if bias is not None else None
        self.requires_grad_(learn)

    def forward(self) -> Tensor:
        """Return the scale, float []."""
        return self.log_scale.exp()

    @torch.no_grad()
    def clamp(self) -> None:
        """Bring the scale back to `most`; called after each optimizer step."""
        self.log_scale.clamp_(max=math.log(self.most))
