"""How far rows are from where they should be: a target that is given, and learns nothing.

Source: least squares; what papers draw towards is theirs to say, such as the random vectors of Yamaguchi et al. 2025,
arXiv:2504.12717, equation 4 (seed 27). Differs: nothing.
Golden: torch.nn.functional.mse_loss, value and gradient, float32, rtol 1e-5.
Axes: N rows, D width.
"""

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import mse_loss

from components.contracts.objective import Objective


class Reconstruction(Objective):
    """Mean squared distance over all numbers of all rows."""

    def forward(self, rows: Float[Tensor, "N D"], target: Float[Tensor, "N D"]) -> Float[Tensor, ""]:
        """Return the mean; no gradient goes through the target."""
        return mse_loss(rows.float(), target.detach().float())
