"""Two towers whose last blocks are the same: pictures and texts go through them one after the other, never together.

Source: Deng et al. 2023, arXiv:2308.11331 (seed 15), whose encoders share layers so that growth can be put there. Differs: where the
shared blocks stand, above each tower's own and before its norm, is our choice, since no code of the paper is public.
Axes: N rows, L tokens, F features of both towers, D shared width.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

from components.contracts.batch import Images, Texts
from components.contracts.encoded import TOKENS, Encoded
from components.contracts.errors import CapabilityError, ConfigError
from components.models.dual_encoder import DualEncoder, projected
from components.models.projection import LogitScale, Projection
from components.models.towers.image import ImageTower
from components.models.towers.text import Block, TextTower


class SharedTop(DualEncoder):
    """A DualEncoder of two transformers with `shared` blocks above both; without any it is a DualEncoder.

    Args:
        image: a vision transformer of timm, of the width of `text`.
        text: as of TextTower, with norms before its branches.
        width: D.
        shared: blocks that both go through.
        heads: of these; must divide the towers' width.
        logit_scale, image_projection, text_projection: as of DualEncoder.

    Raises ConfigError for shared blocks above towers of unequal width or of other kinds.
    """

    image: ImageTower
    text: TextTower

    def __init__(
        self,
        image: ImageTower,
        text: TextTower,
        width: int = 128,
        shared: int = 0,
        heads: int = 4,
        logit_scale: LogitScale | None = None,
        image_projection: Projection | None = None,
        text_projection: Projection | None = None,
    ) -> None:
        super().__init__(image, text, width, logit_scale, image_projection, text_projection)
        if shared < 0:
            raise ConfigError(f"shared is {shared}, but it is a number of blocks. Give 0 or more.")
        if shared and (
            image.width != text.width or text.norms != "before" or len(image.blocks) < 2 or text.width % heads
        ):
            raise ConfigError(
                f"blocks are shared, but the image tower ({image.name}) is {image.width} wide and the text tower {text.width}, with {heads} "
                f"heads and norms {text.norms} the branches. Give both the same width, a multiple of heads, two blocks or more of a "
                "vision transformer, and norms before; or share none."
            )
        self.shared = nn.ModuleList(Block(text.width, heads, 0.0, "gelu", 4 * text.width, 1e-5) for _ in range(shared))

    def encode_image(self, images: Images, need: Sequence[str] = ()) -> Encoded:
        """As of DualEncoder; of hooks only tokens, where blocks are shared."""
        if not self.shared:
            return super().encode_image(images, need)
        self._check(need)
        tokens = self.image.stem(images)
        for block in self.image.blocks:
            tokens = block(tokens)
        seen = torch.ones(tokens.shape[0], 1, tokens.shape[1], tokens.shape[1], dtype=torch.bool, device=tokens.device)
        return projected(self.image.finish(self._through(tokens, seen)), self.image_projection, need)

    def encode_text(self, texts: Texts, need: Sequence[str] = (), drop: float = 0.0) -> Encoded:
        """The same for texts; `drop` as of TextTower, of shared blocks too."""
        if not self.shared:
            return super().encode_text(texts, need, drop)
        self._check(need)
        rows = texts if self.text.masked else self.text.filled(texts)
        tokens, seen = self.text.stem(rows), self.text.visible(rows.mask)
        for block in self.text.blocks:
            tokens = block(dropout(tokens, drop, self.training) if drop else tokens, seen)
        return projected(self.text.finish(self._through(tokens, seen, drop), rows.mask), self.text_projection, need)

    def _through(self, tokens: Tensor, seen: Tensor, drop: float = 0.0) -> Tensor:
        for block in self.shared:
            tokens = block(dropout(tokens, drop, self.training) if drop else tokens, seen)
        return tokens

    def _check(self, need: Sequence[str]) -> None:
        if further := [name for name in need if name != TOKENS]:
            raise CapabilityError(
                f"{', '.join(further)} cannot be had of a tower below blocks that are shared. Need tokens, or share no blocks."
            )
