"""A tower with another beside it that learns no more: what all ways to guide by a prior share.

Source: Pan et al. 2024, arXiv:2405.10160 (PriorCLIP, seed 44). Differs: the prior is any tower.
Axes: N pictures, P width of the prior, F features.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from components.contracts.batch import Images, Texts
from components.contracts.encoded import Tower


class PriorEncoder(nn.Module):
    """A network beside the model: no gradient, always as in evaluation, and saved and exported with the model, which needs it.

    Args:
        tower: gives one vector a picture; its weights come from where the method begins.
    """

    def __init__(self, tower: Tower) -> None:
        super().__init__()
        self.tower, self.width = tower.requires_grad_(False), tower.width
        self.train(False)

    def train(self, mode: bool = True) -> "PriorEncoder":
        """Stay in evaluation mode, whatever the model around it does."""
        return super().train(False)

    def forward(self, rows: Images | Texts) -> Float[Tensor, "N 1 P"]:
        """Return the vector of its tower."""
        with torch.no_grad():
            return self.tower(rows).features[:, None]


class PriorTower(Tower):
    """A tower, and what a prior says of the same rows in the tower's width.

    Args:
        tower: that learns.
        prior: the network that guides it.
        asked: whether the prior is asked anything; where not, nothing is drawn for it.
    """

    def __init__(self, tower: Tower, prior: Tower, asked: bool = True) -> None:
        super().__init__()
        self.width, self.tower, self.prior = tower.width, tower, PriorEncoder(prior)
        self.instruct = nn.Linear(self.prior.width, tower.width) if asked else None

    @property
    def hooks(self) -> tuple[str, ...]:
        """Those of the tower."""
        return self.tower.hooks

    def instruction(self, rows: Images | Texts) -> Float[Tensor, "N 1 F"]:
        """Return what the prior says, through a map that learns."""
        assert self.instruct is not None, "the prior is asked nothing"
        return self.instruct(self.prior(rows).to(self.instruct.weight.dtype))
