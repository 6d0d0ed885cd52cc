"""A projection with a small map behind it, whose answer is mixed into what the projection gives.

Source: Gao et al. 2021, arXiv:2110.04544, equations 4 and 6 (CLIP-Adapter: two linear maps with a bottleneck, and a residual ratio). Differs: the second map
begins at nought and has no ReLU behind it, so that at the start directions are those of the projection, whatever the ratio.
Golden: the paper's formula as plain matrix products, in tests.
Axes: N rows, W tower width, D shared width.
"""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from components.contracts.errors import ConfigError
from components.models.grown import Grown
from components.models.projection import Projection


class AdaptedProjection(Projection, Grown):
    """(1 - ratio) x + ratio A(x), where x is what the projection gives and A(x) = up(relu(down(x))).

    Args:
        width_in, width_out, kind, offset: as of Projection.
        hidden: width of the bottleneck, 1 or more.
        ratio: how much A counts, from 0 to 1; the weights have it, as a buffer.
    """

    def __init__(
        self, width_in: int, width_out: int, kind: Literal["linear", "affine", "none"] = "linear", offset: float = 0.0,
        hidden: int = 32, ratio: float = 0.2,
    ) -> None:  # fmt: skip
        super().__init__(width_in, width_out, kind, offset)
        if hidden < 1 or not 0 <= ratio <= 1:
            raise ConfigError(
                f"hidden is {hidden} and ratio {ratio}, but a bottleneck has a width of 1 at least, and counts for a share from 0 to 1. A quarter of the "
                "shared width and 0.2 are usual."
            )
        self.down, self.up = nn.Linear(width_out, hidden, bias=False), nn.Linear(hidden, width_out, bias=False)
        nn.init.zeros_(self.up.weight)
        self.register_buffer("ratio", torch.tensor(float(ratio)))
        self.ratio: Tensor

    def forward(self, features: Tensor) -> Tensor:
        """Return float [N D], not of unit length."""
        seen = super().forward(features)
        return (1 - self.ratio) * seen + self.ratio * self.up(relu(self.down(seen)))

    def plain(self) -> Projection:
        """Return the projection alone."""
        with torch.device("meta"):
            found = Projection(self.width_in, self.width_out, self.kind)
        found.linear = self.linear
        return found

    def described(self, part: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return its class and arguments."""
        arguments = {"width_in": self.width_in, "width_out": self.width_out, "kind": self.kind}
        return {
            "class_path": f"{type(self).__module__}.{type(self).__qualname__}",
            "init_args": {**arguments, "hidden": self.down.out_features, **self.own()},
        }
