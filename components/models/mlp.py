"""A head of several layers, for losses that should not shape the shared space alone; it is no part of what is exported.

Source: Chen et al. 2020, arXiv:2002.05709, section 4.2; with batch norm as in Grill et al. 2020, arXiv:2006.07733.
Axes: N rows.
"""

from torch import Tensor, nn

from components.contracts.errors import ConfigError
from components.models.batch_norm import BatchNorm


class Mlp(nn.Sequential):
    """Linear maps with batch norm and a ReLU between them.

    Args:
        width_in: length of a row.
        hidden: width of each layer but the last.
        width_out: length of what comes out.
        layers: linear maps, at least 1.
        over_ranks: as of BatchNorm.
        bias: whether the last one has an offset; for a loss that takes means away it would learn nothing.

    Raises ConfigError for a width or a number of layers below 1.
    """

    def __init__(
        self, width_in: int, hidden: int, width_out: int, layers: int = 3, over_ranks: bool = True, bias: bool = True
    ) -> None:
        for name, value in (("width_in", width_in), ("hidden", hidden), ("width_out", width_out), ("layers", layers)):
            if value < 1:
                raise ConfigError(f"{name} is {value}, but a head has at least 1. Give it a width, such as 512.")
        parts: list[nn.Module] = []
        width = width_in
        for _ in range(layers - 1):
            parts += [nn.Linear(width, hidden, bias=False), BatchNorm(hidden, over_ranks), nn.ReLU()]
            width = hidden
        super().__init__(*parts, nn.Linear(width, width_out, bias=bias))

    def forward(self, rows: Tensor) -> Tensor:
        """Return float [N width_out], not of unit length."""
        return super().forward(rows)  # type: ignore[no-any-return]
