"""Two towers that meet in one space: the family that most recipes train.

Source: Radford et al. 2021, arXiv:2103.00020.
Axes: N rows, D shared width.
"""

from torch import nn

from components.contracts.batch import Images, Texts
from components.contracts.encoded import Encoded, Tower
from components.models.projection import LogitScale, Projection


class DualEncoder(nn.Module):
    """Answers `encode_image` and `encode_text`, and owns the logit scale.

    Args:
        image: tower for pictures.
        text: tower for texts.
        width: D, the shared width.
        logit_scale: slope of the logits.
    """

    def __init__(self, image: Tower, text: Tower, width: int = 128, logit_scale: LogitScale | None = None) -> None:
        super().__init__()
        self.image, self.text, self.width = image, text, width
        self.image_projection = Projection(image.width, width)
        self.text_projection = Projection(text.width, width)
        self.logit_scale = logit_scale if logit_scale is not None else LogitScale()

    def encode_image(self, images: Images) -> Encoded:
        """Return the pictures in the shared space."""
        features = self.image(images)
        return Encoded(pooled=self.image_projection(features), features=features)

    def encode_text(self, texts: Texts) -> Encoded:
        """Return the texts in the shared space."""
        features = self.text(texts)
        return Encoded(pooled=self.text_projection(features), features=features)
