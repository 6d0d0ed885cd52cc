"""An image tower with another beside it that learns no more, and says where to look.

Source: Pan et al. 2024, arXiv:2405.10160 (PriorCLIP, seed 44), the model of the closed domain, and jaychempan/PIR. Differs: tokens are filtered in the
tower's width, before the one projection that any DualEncoder has, where theirs are projected first; the prior is any tower. The model of
the open domain is in prior_instructed.py.
Axes: N pictures, F features.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from components.contracts.batch import Images, Texts
from components.contracts.encoded import TOKENS, Encoded, Tower
from components.contracts.errors import CapabilityError, ConfigError
from components.models.belief_filter import believed
from components.models.progressive import ProgressiveAttention
from components.models.towers.prior import PriorTower


class PriorGuided(PriorTower):
    """The vector of a tower, and what a prior finds among those of its tokens that it believes in.

    Args:
        tower: whose vector and tokens are of one width.
        prior: the network that guides.
        keep: share of the tokens that stay, the vector counted as one of them, in (0, 1]; 0.8 in the paper, 40 of 50.
        depth: rounds in which they are looked through; 2 in the paper, and 0 is the tower as it is.
        heads: of the attention.
        dropout: probability, in training only; 0.2 in the paper.

    Raises ConfigError for a number out of range.
    """

    def __init__(
        self, tower: Tower, prior: Tower, keep: float = 0.8, depth: int = 2, heads: int = 8, dropout: float = 0.2
    ) -> None:
        if depth < 0 or not 0 < keep <= 1:
            raise ConfigError(
                f"depth is {depth}, keep is {keep}. Give 0 rounds or more, and a share above 0, such as 0.8 or 1 for all tokens."
            )
        super().__init__(tower, prior, asked=depth > 0)
        self.keep = keep
        self.progressive = ProgressiveAttention(tower.width, depth, heads, dropout)

    def stem(self, rows: Images | Texts) -> Tensor:
        """Return what the tower's first block takes."""
        return self.tower.stem(rows)

    def forward(self, rows: Images | Texts, need: Sequence[str] = ()) -> Encoded:
        """Return the guided vector, and what is needed beside, which is the tower's own.

        Raises CapabilityError for a tower without tokens as wide as its vector.
        """
        if self.instruct is None:
            return self.tower(rows, need)
        seen: Encoded = self.tower(rows, list(dict.fromkeys([TOKENS, *need])))
        if seen.tokens is None or seen.tokens.shape[-1] != self.width:
            raise CapabilityError(
                "the image tower gives no tokens as wide as its vector, so a prior has nothing to choose among. Choose a network that only "
                "pools them."
            )
        prior = self.instruction(rows)
        tokens = believed(torch.cat([seen.features[:, None], seen.tokens], 1), prior, self.keep)
        features = self.progressive(seen.features, tokens, prior)
        return replace(seen, pooled=features, features=features)
