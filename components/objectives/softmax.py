"""Softmax image-text loss (InfoNCE): of all texts of the batch, which one belongs to this picture, and the other way round?

Source: Radford et al. 2021, arXiv:2103.00020, figure 3. Differs: nothing.
Golden: open_clip ClipLoss, value and gradient, float32, rtol 1e-5.
Axes: B pairs, D shared width.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from components.contracts.errors import ConfigError
from components.contracts.objective import Contrast


class SoftmaxLoss(Contrast):
    """Cross-entropy over the rows and the columns of the similarity matrix, their mean.

    Args:
        smoothing: share of the target spread over the other pairs of the batch, 0 in the paper; in [0, 1).
    """

    def __init__(self, smoothing: float = 0.0) -> None:
        super().__init__()
        if not 0 <= smoothing < 1:
            raise ConfigError(
                f"smoothing is {smoothing}, but it is the share of the target that the wrong pairs get. "
                "Use 0 for the paper's value; something like 0.1 forgives look-alikes."
            )
        self.smoothing = smoothing

    def forward(
        self, image: Float[Tensor, "B D"], text: Float[Tensor, "B D"], scale: Float[Tensor, ""]
    ) -> Float[Tensor, ""]:
        """Return nats per picture. Normalises its rows itself; row i of both belongs together."""
        return self.from_scores(scale * normalize(image.float(), dim=-1) @ normalize(text.float(), dim=-1).T)

    def from_scores(self, image_to_text: Float[Tensor, "B B"]) -> Float[Tensor, ""]:
        """Return nats per picture of a matrix of logits, for methods that bring their own scores."""
        target = torch.arange(len(image_to_text), device=image_to_text.device)
        rows = cross_entropy(image_to_text, target, label_smoothing=self.smoothing)
        columns = cross_entropy(image_to_text.T, target, label_smoothing=self.smoothing)
        return (rows + columns) / 2
