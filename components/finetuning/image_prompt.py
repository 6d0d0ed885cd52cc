"""Visual prompts: tokens that the picture side attends to beside the picture are learnt, and both towers stay as they are.

Source: Jia et al. 2022, arXiv:2203.12119, section 3.2 (VPT-shallow); components/models/towers/prompted.py says what differs there. Differs: it learns from
pairs, by the recipe's own method, without a head of classes; the scale of the logits trains along.
"""

import math
import zlib

import torch
from torch import nn

from components.contracts.errors import ConfigError
from components.finetuning.freeze import Freeze
from components.finetuning.strategy import ALPHAS, Strategy
from components.models.dual_encoder import DualEncoder
from components.models.towers.image import ImageTower
from components.models.towers.prompted import PromptedImageTower, check_attends
from components.training.numbers import Optimisation


class ImagePrompt(Strategy):
    """Trains the prompts and the scale of the logits; arguments as of Strategy, and

    Args:
        prompts: how many, 1 or more.

    A model that has prompts trains those on.
    """

    def __init__(
        self, share: float = 0.25, optimisation: Optimisation | None = None, alphas: tuple[float, ...] = ALPHAS,
        prompts: int = 8,
    ) -> None:  # fmt: skip
        super().__init__(share, optimisation, alphas)
        if prompts < 1:
            raise ConfigError(f"prompts is {prompts}, but nothing would train without one. 8 is usual.")
        self.prompts = prompts

    def prepare(self, model: nn.Module) -> Freeze:
        """Put the prompts before the tokens of pictures, and return all else as what stays; ConfigError for a tower that is no vision transformer of timm."""
        tower = model.image if isinstance(model, DualEncoder) else None
        if not isinstance(tower, PromptedImageTower):
            if type(tower) is not ImageTower:
                raise ConfigError(
                    f"{type(tower or model).__name__} takes no prompts. Tune a DualEncoder whose picture side is an ImageTower, or by another strategy."
                )
            check_attends(tower)
            model.image = prompted(tower, self.prompts)
        return Freeze(model, ("image.prompt", "logit_*"))


def prompted(tower: ImageTower, prompts: int) -> PromptedImageTower:
    """Return the tower with prompts, drawn from the bytes of its first weight, so that a tuning that goes on has the same."""
    like = next(tower.parameters())
    with torch.device("meta"):
        made = PromptedImageTower(tower.name, tower.net_args, prompts=prompts)
    made.net, made.mean, made.std = tower.net, tower.mean, tower.std
    draw = torch.Generator().manual_seed(zlib.crc32(like.detach().cpu().numpy().tobytes()))
    width = made.prompt.shape[-1]
    most = math.sqrt(6 / (like[0].numel() + width))  # as theirs: of the patches that it stands beside
    drawn = (2 * torch.rand(1, prompts, width, generator=draw) - 1) * most
    made.prompt, made.ratio = nn.Parameter(drawn.to(like)), torch.ones((), device=like.device)
    return made.train(tower.training)
