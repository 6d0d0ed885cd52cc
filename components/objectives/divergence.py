"""How far what a model says of each row is from what it should say: both are distributions over the columns.

Sources: Hinton et al. 2015, arXiv:1503.02531, section 2 (the temperature, and its square as factor); Yamaguchi et al. 2025,
arXiv:2504.12717, equation 6 (seed 27, both directions of a batch). Differs: nothing.
Golden: torch.nn.functional.kl_div, value and gradient, float32, rtol 1e-5.
Axes: R local rows, C columns they are held against.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from components.contracts.directions import Directions
from components.contracts.errors import ConfigError
from components.contracts.objective import Objective


class Divergence(Objective):
    """Kullback-Leibler divergence of targets from the softmax of logits, a mean over rows and over both directions.

    Args:
        temperature: that logits are divided by, above 0; the loss is multiplied by its square, so that gradients keep their size.
    """

    def __init__(self, temperature: float = 1.0) -> None:
        super().__init__()
        if temperature <= 0:
            raise ConfigError(
                f"temperature is {temperature}, but logits are divided by it. Use 1.0 for the paper's value; more makes rows softer."
            )
        self.temperature = temperature

    def forward(self, logits: Directions, targets: Directions) -> Float[Tensor, ""]:
        """Return nats per row, 0 where both say the same.

        Args:
            logits: of the model, before the temperature.
            targets: rows that sum to one, which no gradient goes through.
        """
        ways = (
            self._way(logits.image_to_text, targets.image_to_text),
            self._way(logits.text_to_image, targets.text_to_image),
        )
        return self.temperature**2 * (ways[0] + ways[1]) / 2

    def _way(self, logits: Float[Tensor, "R C"], targets: Float[Tensor, "R C"]) -> Float[Tensor, ""]:
        said, wanted = (logits.float() / self.temperature).log_softmax(1), targets.detach().float()
        return (torch.xlogy(wanted, wanted) - wanted * said).sum(1).mean()
