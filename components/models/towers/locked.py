"""A tower that was trained before and learns no more, for others to learn to be found from what it says.

Source: Zhai et al. 2022, arXiv:2111.07991, section 3 (LiT, a locked image tower beside a text tower that is drawn), as Gu et al. 2022,
arXiv:2202.06767 (seed 25) have it. Differs: nothing. What is locked after pre-training, in the stage finetune, is
components/finetuning/locked.py.
Axes: N rows, F features.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from components.contracts.batch import Images, Texts
from components.contracts.encoded import Encoded, Tower


class LockedTower(Tower):
    """Another tower, without a gradient and always as in evaluation, so that batch norm and dropout do nothing either.

    Args:
        tower: its weights come from where the method begins.
        locked: false lets it learn, for comparison: it is the tower as it is.
    """

    def __init__(self, tower: Tower, locked: bool = True) -> None:
        super().__init__()
        self.tower, self.locked, self.width = tower, locked, tower.width
        if locked:
            tower.requires_grad_(False)
            self.train(self.training)

    def train(self, mode: bool = True) -> "LockedTower":
        """Keep the tower in evaluation mode, where it is locked, whatever the model around it does."""
        super().train(mode)
        if self.locked:
            self.tower.train(False)
        return self

    @property
    def hooks(self) -> tuple[str, ...]:
        """Those of the tower."""
        return self.tower.hooks

    def stem(self, rows: Images | Texts) -> Tensor:
        """Return what the tower's first block takes."""
        return self.tower.stem(rows)

    def forward(self, rows: Images | Texts, need: Sequence[str] = ()) -> Encoded:
        """Return what the tower says, and nothing to learn by where it is locked."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.locked):
            seen: Encoded = self.tower(rows, need)
        return seen
