"""Which prototypes a picture is near: the head of DINO, behind a tower and no part of what is exported.

Source: Caron et al. 2021, arXiv:2104.14294, section 3.2 and appendix C (three layers, a bottleneck of unit length, a weight-normed last layer
whose gain is fixed to 1). Differs: nothing.
Golden: lightly DINOProjectionHead with the same weights, value and gradient, float32, rtol 1e-5.
Axes: N rows, F features, K prototypes.
"""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import linear, normalize

from components.contracts.errors import ConfigError

_DEVIATION = 0.02  # of the first weights, as in the paper's code


class DinoHead(nn.Module):
    """Cosines of a row, brought to a narrow space, with each prototype.

    Args:
        width: F.
        hidden: width of the layers; 2048 in the paper.
        bottleneck: of the space that prototypes lie in; 256 in the paper.
        prototypes: K; 65536 in the paper.

    Raises ConfigError for a width below 1.
    """

    def __init__(self, width: int, hidden: int = 2048, bottleneck: int = 256, prototypes: int = 65536) -> None:
        super().__init__()
        if min(width, hidden, bottleneck, prototypes) < 1:
            raise ConfigError(
                f"a head of {hidden} hidden numbers, {bottleneck} in its bottleneck and {prototypes} prototypes says nothing. Give 1 or more of each; "
                "the paper has 2048, 256 and 65536."
            )
        self.layers = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, bottleneck)
        )
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=_DEVIATION)
                nn.init.zeros_(layer.bias)
        self.prototypes = nn.Linear(bottleneck, prototypes, bias=False)

    def forward(self, rows: Float[Tensor, "N F"], still: bool = False) -> Float[Tensor, "N K"]:
        """Return the cosines.

        Args:
            still: whether the prototypes stay where they are: their gradient is 0, and not missing, which ranks would wait for.
        """
        weight = self.prototypes.weight
        if still:
            weight = weight.detach() + 0 * weight
        return linear(normalize(self.layers(rows), dim=-1), normalize(weight, dim=1))
