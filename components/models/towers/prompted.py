"""An image transformer that also attends to tokens which are no part of any picture, and are learnt.

Source: Jia et al. 2022, arXiv:2203.12119, section 3.2 (VPT-shallow: tokens that are put in before the first block, and are dropped after the last). Differs:
each weighs `ratio` times as much in every softmax of attention, so that at 0 nobody attends to them; they stand before the class token and not behind
it, which attention does not tell apart.
Golden: a softmax by hand in which the prompts are counted `ratio` times, in tests.
Axes: N pictures, M prompts, L tokens, F features.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from components.contracts.batch import Images, Texts
from components.contracts.encoded import Encoded
from components.contracts.errors import ConfigError
from components.models.grown import Grown
from components.models.towers.image import ImageTower
from components.models.towers.opening import Opened, attentive


class PromptedImageTower(ImageTower, Grown):
    """A vision transformer of timm with prompts.

    Args:
        net, net_args, mean, std: as of ImageTower.
        prompts: how many, 1 or more.
        ratio: how much each weighs beside a token of the picture, from 0 to 1; the weights have it, as a buffer.

    Raises ConfigError for a network whose blocks do not attend to all tokens.
    """

    def __init__(
        self,
        net: str,
        net_args: Mapping[str, Any] | None = None,
        mean: tuple[float, float, float] = (0.5, 0.5, 0.5),
        std: tuple[float, float, float] = (0.25, 0.25, 0.25),
        prompts: int = 8,
        ratio: float = 1.0,
    ) -> None:
        super().__init__(net, net_args, mean, std)
        if prompts < 1 or not 0 <= ratio <= 1:
            raise ConfigError(
                f"prompts is {prompts} and ratio {ratio}, but there is one at least, and it weighs from 0 to 1 of a token. 8 and 1 are usual."
            )
        check_attends(self)
        self.prompt = nn.Parameter(torch.zeros(1, prompts, self.width_of_tokens))
        self.register_buffer("ratio", torch.tensor(float(ratio)))
        self.ratio: Tensor

    @property
    def width_of_tokens(self) -> int:
        """Return F, of the tokens that blocks take; the head may give another width."""
        return int(self.net.embed_dim)  # type: ignore[arg-type]  # every vision transformer of timm has it

    def forward(self, rows: Images | Texts, need: Sequence[str] = ()) -> Encoded:
        """Return the pooled features of each picture, and what is needed of tokens and hooks; no level has the prompts."""
        self.check(need)
        own = self.stem(rows)
        prompts = self.prompt.to(own.dtype).expand(own.shape[0], -1, -1)
        count = self.prompt.shape[1]
        weighs = torch.cat([self.ratio.log().expand(count), torch.zeros_like(own[0, :, 0])])  # (M + L,)
        tokens, found = self.walk(torch.cat([prompts, own], 1), need, count, weighs[None, None, None])
        return replace(self.finish(tokens[:, count:]), hooks=found)

    def plain(self) -> ImageTower:
        """Return the tower without them."""
        with torch.device("meta"):
            found = ImageTower(self.name, self.net_args)
        found.net, found.mean, found.std = self.net, self.mean, self.std
        return found.train(self.training)

    def described(self, part: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return its class and arguments."""
        own = {"prompts": self.prompt.shape[1], **self.own()}
        arguments = dict((part or {}).get("init_args") or {"net": self.name, "net_args": self.net_args})
        return {"class_path": f"{type(self).__module__}.{type(self).__qualname__}", "init_args": {**arguments, **own}}


def check_attends(tower: ImageTower) -> None:
    """Raise ConfigError for a network that has no tokens, or whose blocks do not attend to all of them."""
    opened = Opened(tower.net)
    blocks = opened.blocks
    if opened.levels is None or len(attentive(blocks)) < len(blocks):
        raise ConfigError(
            f"{tower.name} has no blocks that all attend to all tokens, so there is nothing that a prompt could say. Choose a vision transformer of timm, "
            "or tune by components.finetuning.feature_adapter.FeatureAdapter, which takes any network."
        )
