"""An image tower that a prior instructs: what it says goes first through the blocks, and decides how much each token weighs there.

Source: Pan et al. 2024, arXiv:2405.10160 (PriorCLIP, seed 44), the model of the open domain, and jaychempan/PIR-CLIP. Differs: the prior is any
tower, frozen; for what tokens weigh, components/models/belief_weights.py.
Axes: N pictures, L tokens, F features.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from components.contracts.batch import Images, Texts
from components.contracts.encoded import Encoded, Tower
from components.contracts.errors import ConfigError
from components.models.belief_weights import RankWeight, weighed
from components.models.towers.image import ImageTower
from components.models.towers.opening import Opened, spread
from components.models.towers.prior import PriorTower


class PriorInstructed(PriorTower):
    """A vision transformer whose vector is what became of the prior's instruction, read among its tokens.

    Args:
        tower: a vision transformer of timm, whatever it pools by itself.
        prior: the network that instructs.
        rank_weight: `true_rank` has a token weigh 1 / √(rank + 1) beside its belief, rank 0 the one that is believed in most; `none` has it
            weigh its belief alone.

    Raises ConfigError for a network without such tokens, and for one that pools by attention.
    """

    tower: ImageTower

    def __init__(self, tower: ImageTower, prior: Tower, rank_weight: RankWeight = "true_rank") -> None:
        super().__init__(tower, prior)
        if not _takes_a_token(tower.net):
            raise ConfigError(
                f"{tower.name} takes no token before its own, or pools by attention, so a prior has no place in "
                "its blocks. Choose a vision transformer of timm that pools a token or a mean, such as vit_base_patch16_clip_224, or "
                "components.models.towers.prior_guided.PriorGuided, which takes any network."
            )
        self.rank_weight = rank_weight

    def stem(self, rows: Images | Texts) -> Float[Tensor, "N L F"]:
        """Return what the first block takes: the instruction, then the tower's tokens as they weigh."""
        prior = self.instruction(rows)
        return torch.cat([prior, weighed(self.tower.stem(rows), prior, self.rank_weight)], 1)

    def forward(self, rows: Images | Texts, need: Sequence[str] = ()) -> Encoded:
        """Return the vector, and what is needed beside: tokens and levels are of the picture alone, other hooks have the instruction first."""
        self.check(need)
        tokens, found = self.tower.walk(self.stem(rows), need, before=1)
        return replace(self.finish(tokens), hooks=found)

    def finish(self, tokens: Float[Tensor, "N L F"]) -> Encoded:
        """Return vector, tokens and grid of what the last block gave, the first of which is the instruction's."""
        net: Any = self.tower.net
        last = Opened(net).end(tokens)
        flat, grid = spread(net, last[:, 1:])
        features = net.head_drop(net.fc_norm(last[:, 0]))
        return Encoded(pooled=features, features=features, tokens=flat, grid=grid)


def _takes_a_token(net: nn.Module) -> bool:
    from timm.models.vision_transformer import VisionTransformer

    return isinstance(net, VisionTransformer) and Opened(net).levels is not None and net.attn_pool is None
