"""Two towers that meet in one space: the family that most recipes train.

Source: Radford et al. 2021, arXiv:2103.00020.
Axes: N rows, L tokens, D shared width.
"""

from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from components.contracts.batch import Images, Texts
from components.contracts.encoded import TOKENS, Encoded, Tower
from components.contracts.errors import CapabilityError
from components.models.projection import LogitScale, Projection
from components.models.towers.text import TextTower


class DualEncoder(nn.Module):
    """Answers `encode_image` and `encode_text`, and owns the logit scale.

    Args:
        image: tower for pictures.
        text: tower for texts.
        width: D, the shared width.
        logit_scale: slope of the logits.
        image_projection: from the image tower's width to D; linear without a bias unless given.
        text_projection: the same for texts.
        patches: name of the image tower's level, such as `level1`, that a picture's tokens are of; null is what the vector is pooled
            from. A level before any attention sees only what lies around each patch.

    Raises CapabilityError for a level that the tower has not.
    """

    def __init__(
        self,
        image: Tower,
        text: Tower,
        width: int = 128,
        logit_scale: LogitScale | None = None,
        image_projection: Projection | None = None,
        text_projection: Projection | None = None,
        patches: str | None = None,
    ) -> None:
        super().__init__()
        self.image, self.text, self.width = image, text, width
        self.image_projection = image_projection or Projection(image.width, width)
        self.text_projection = text_projection or Projection(text.width, width)
        self.image_projection.check("image", image.width, width)
        self.text_projection.check("text", text.width, width)
        self.logit_scale = logit_scale if logit_scale is not None else LogitScale()
        self.patches = patches
        if patches is not None:
            image.check([patches])

    def encode_image(self, images: Images, need: Sequence[str] = ()) -> Encoded:
        """Return the pictures in the shared space, and what is needed beside: `tokens`, or names of the tower's hooks."""
        if self.patches is None or TOKENS not in need:
            return projected(self.image(images, need), self.image_projection, need)
        seen = self.image(images, [*(name for name in need if name not in (TOKENS, self.patches)), self.patches])
        return projected(_looked_at(seen, self.patches, need), self.image_projection, need)

    def encode_text(self, texts: Texts, need: Sequence[str] = (), drop: float = 0.0) -> Encoded:
        """Return the same for texts; `drop` as of TextTower, and CapabilityError where another tower is asked for it."""
        if not drop:
            return projected(self.text(texts, need), self.text_projection, need)
        if not isinstance(self.text, TextTower):
            raise CapabilityError(
                f"{type(self.text).__name__} cannot leave out a share of {drop:g} of what its blocks take. Set it to 0, or choose TextTower."
            )
        return projected(self.text(texts, need, None, drop), self.text_projection, need)


def projected(seen: Encoded, projection: Projection, need: Sequence[str]) -> Encoded:
    """Return what a tower gave, in the shared space; hooks stay as they are.

    Raises CapabilityError for a tower whose tokens are of another width than its vector.
    """
    tokens = seen.tokens if TOKENS in need else None
    if tokens is not None and tokens.shape[-1] != seen.features.shape[-1]:
        raise CapabilityError(
            f"this tower's tokens are {tokens.shape[-1]} wide and its vector {seen.features.shape[-1]}: its head does more "
            "than pool, so that one projection does not take both. Choose a network whose head only pools, or need a level."
        )
    return replace(seen, pooled=projection(seen.features), tokens=projection(tokens) if tokens is not None else None)


def _looked_at(seen: Encoded, level: str, need: Sequence[str]) -> Encoded:
    """Return the same with a level's map, [N W h w], as its tokens."""
    map_ = seen.hooks[level]
    hooks = {name: hook for name, hook in seen.hooks.items() if name in need}
    return replace(seen, tokens=map_.flatten(2).transpose(1, 2), grid=(map_.shape[2], map_.shape[3]), hooks=hooks)
