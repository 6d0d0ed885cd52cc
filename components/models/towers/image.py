"""Any timm network as an image tower, opened where a method looks inside.

Source: timm; its class names are its own. Differs: takes pixels in [0, 1] and normalises inside, so that an exported
encoder needs no mean and deviation beside it.
Axes: N pictures, H height, W width, F features.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from components.contracts.batch import Images, Texts
from components.contracts.encoded import TOKENS, Encoded, Tower
from components.contracts.errors import ConfigError
from components.models.towers.opening import Opened, Watched, as_map, attentive, levels_by_timm, spread, width_of


class ImageTower(Tower):
    """A timm network without its classifier.

    Args:
        net: timm's name of the architecture, such as `resnet18` or `vit_tiny_patch16_224`; weights start random.
        net_args: what timm takes for that architecture, such as `channels` of a ResNet or `img_size` of a ViT.
        mean: mean of the pixels, RGB in [0, 1].
        std: standard deviation of the pixels, RGB in [0, 1].

    Raises ConfigError when timm does not know the network or one of its arguments.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        net: str,
        net_args: Mapping[str, Any] | None = None,
        mean: tuple[float, float, float] = (0.5, 0.5, 0.5),
        std: tuple[float, float, float] = (0.25, 0.25, 0.25),
    ) -> None:
        super().__init__()
        self.name, self.net_args = net, dict(net_args or {})
        import timm  # seconds to import, which checking a recipe need not spend

        try:
            self.net = timm.create_model(net, pretrained=False, num_classes=0, **dict(net_args or {}))
        except (RuntimeError, TypeError, AssertionError) as err:
            near = ", ".join(get_close_matches(net, timm.list_models(), 3)) or "none has a name like it"
            raise ConfigError(
                f"timm cannot build the image network {net!r} with {dict(net_args or {})}: {err}. "
                f"Give a name that timm.list_models() has ({near}) and arguments that its class takes."
            ) from err
        self.width = width_of(self.net)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    @property
    def blocks(self) -> Sequence[nn.Module]:
        """The network's blocks; one, of all but the head, where timm's network is no plain chain."""
        return Opened(self.net).blocks

    @property
    def hooks(self) -> tuple[str, ...]:
        """`block0` and so on, `level0` and so on, and `attention0` and so on where it attends to all tokens."""
        opened = Opened(self.net)
        if opened.levels is None:
            count = len(getattr(self.net, "feature_info", ())) if hasattr(self.net, "forward_intermediates") else 0
            return tuple(f"level{i}" for i in range(count))
        blocks = opened.blocks
        return (
            *(f"block{i}" for i in range(len(blocks))), *(f"level{i}" for i in range(len(opened.levels))),
            *(f"attention{i}" for i in attentive(blocks)),
        )  # fmt: skip

    def forward(self, rows: Images | Texts, need: Sequence[str] = ()) -> Encoded:
        """Return the pooled features of each picture, and what is needed of tokens and hooks."""
        if not need:
            features = self.net(self.pixels(rows))
            return Encoded(pooled=features, features=features)
        self.check(need)
        opened = Opened(self.net)
        if opened.levels is None:
            numbers = sorted(int(name.removeprefix("level")) for name in set(need) - {TOKENS})
            if not numbers:
                return self.finish(opened.blocks[0](self.stem(rows)))
            final, levels = levels_by_timm(self.net, self.pixels(rows), numbers)
            found = {f"level{number}": level for number, level in zip(numbers, levels, strict=True)}
            return replace(self.finish(final), hooks=found)
        tokens, found = self.walk(self.stem(rows), need)
        return replace(self.finish(tokens), hooks=found)

    def walk(
        self, tokens: Tensor, need: Sequence[str], before: int = 0, weighs: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return what the last block gives of what the first takes, and which hooks are needed; for a network that is a chain.

        Args:
            tokens: as `stem` gives them.
            need: names of hooks.
            before: how many tokens a method put before the network's own. No level has them.
            weighs: what is added to the logits of attention [1 1 1 L], the logarithm of how often a token counts; for blocks that attend.
        """
        opened = Opened(self.net)
        assert opened.levels is not None, "one block alone is not walked"
        blocks, ends = opened.blocks, {end: f"level{level}" for level, end in enumerate(opened.levels)}
        found = {}
        watched = {i: block for i, block in attentive(blocks).items() if f"attention{i}" in need}
        with Watched(watched) as attention:
            for number, block in enumerate(blocks):
                tokens = block(tokens) if weighs is None else block(tokens, attn_mask=weighs)
                if (name := f"block{number}") in need:
                    found[name] = tokens
                if (level := ends.get(number)) in need:
                    found[str(level)] = as_map(self.net, tokens[:, before:] if before else tokens)
        return tokens, found | attention.seen

    def stem(self, rows: Images | Texts) -> Tensor:
        """Return what the first block takes, of pixels in [0, 1]."""
        return Opened(self.net).stem(self.pixels(rows))

    def finish(self, tokens: Tensor) -> Encoded:
        """Return vector, tokens and grid of what the last block gave."""
        last = Opened(self.net).end(tokens)
        flat, grid = spread(self.net, last)
        features = self.net.forward_head(last, pre_logits=False)  # type: ignore[operator]  # every network of timm has it
        return Encoded(pooled=features, features=features, tokens=flat, grid=grid)

    def pixels(self, rows: Images | Texts) -> Float[Tensor, "N 3 H W"]:
        """Return what the network was made for: pixels less their mean, over their deviation."""
        assert isinstance(rows, Images), "an image tower was handed texts"
        return (rows.pixels - self.mean) / self.std
