"""CLIP: each picture is closest to its own caption within the batch (seed 56).

Source: Radford et al. 2021, arXiv:2103.00020, figure 3. Differs: nothing in the method; sizes are the recipe's.
"""

from components.contracts.batch import Batch
from components.contracts.method import Clock, Losses, Method
from components.models.dual_encoder import DualEncoder
from components.objectives.softmax import SoftmaxLoss


class Clip(Method):
    """Contrast over the batch with a learned, clamped scale.

    Args:
        model: the two towers.
        objective: the contrast.
    """

    model: DualEncoder

    def __init__(self, model: DualEncoder, objective: SoftmaxLoss) -> None:
        super().__init__()
        self.model, self.objective = model, objective

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        """Return the contrast of this batch; the scale is only logged."""
        image = self.model.encode_image(batch.images["main"])
        text = self.model.encode_text(batch.texts["caption"])
        scale = self.model.logit_scale()
        return Losses(
            terms={"contrast": self.objective(image.pooled, text.pooled, scale)}, seen={"scale": scale.detach()},
            embedded={"image": image.pooled.detach(), "text": text.pooled.detach()},
        )  # fmt: skip

    def after_step(self, clock: Clock) -> None:
        """Keep the scale at or below its bound, as the paper does."""
        self.model.logit_scale.clamp()
