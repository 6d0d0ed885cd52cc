"""Wukong: FILIP's contrast on few tokens of a picture, whose tower was trained before and is locked (seed 25).

Source: Gu et al. 2022, arXiv:2202.06767, section 4. Differs: AdamW or Muon in place of LAMB. The scores are those of components/methods/filip.py,
the tokens those of components/models/towers/reduced.py, and the lock is components/models/towers/locked.py. Two models of theirs are
overrides: with `tokens: 0` of the picture tower all tokens are compared, with `by: vector` none.
Axes: R pairs of this rank, D shared width.
"""

from typing import ClassVar, Literal

from torch import nn

from components.contracts.batch import Batch
from components.contracts.errors import ConfigError
from components.contracts.method import Clock, Losses
from components.methods.filip import Filip
from components.models.dual_encoder import DualEncoder
from components.models.towers.locked import LockedTower
from components.training.gather import GatherMode


class Wukong(Filip):
    """The two scores of a pair under one softmax contrast.

    Args:
        model: two towers, with one LockedTower among the parts of that of pictures, for which the start's weights are.
        by: what is compared: `tokens`, or the `vector` of each side, as CLIP does.
        keep, chunk, gather: as of Filip; the first two are of tokens alone.

    Raises ConfigError for a model without a LockedTower, or with several, and as of Filip.
    """

    wants_start: ClassVar[bool] = True

    def __init__(
        self, model: DualEncoder, by: Literal["tokens", "vector"] = "tokens", keep: float = 1.0, chunk: int = 64, gather: GatherMode = "features",
    ) -> None:  # fmt: skip
        super().__init__(model, keep, chunk, gather)
        self.by = by
        if (found := len(_locked(model))) != 1:
            raise ConfigError(
                f"the picture tower, a {type(model.image).__name__}, has {found} parts that a start is for, and one is needed. Put "
                "components.models.towers.locked.LockedTower around the network that was trained before."
            )

    def begins_from(self) -> tuple[nn.Module, str]:
        """Return the network within the LockedTower, for which the image tower of the start is; all else is drawn."""
        (locked,) = _locked(self.model)
        return locked.tower, "image."

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        """Return the contrast of this batch."""
        if self.by == "tokens":
            return super().losses(batch, clock)
        images, texts = batch.images["main"], batch.texts["caption"]
        image, text = self.model.encode_image(images).pooled, self.model.encode_text(texts).pooled
        scale = self.model.logit_scale()
        sides = self.gather(image, images.owner, len(batch)), self.gather(text, texts.owner, len(batch))
        return Losses(
            terms={"contrast": self.softmax(*sides, scale)}, seen={"scale": scale.detach()},
            embedded={"image": image.detach(), "text": text.detach()},
        )  # fmt: skip


def _locked(model: DualEncoder) -> list[LockedTower]:
    return [part for part in model.image.modules() if isinstance(part, LockedTower)]
