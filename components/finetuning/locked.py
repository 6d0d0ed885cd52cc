"""Locked-image tuning: the picture side stays as it is, and the texts learn to be found from there.

Source: Zhai et al. 2022, arXiv:2111.07991, section 3 ("LU" in the paper's letters: image tower locked, text tower not, both
trained before). Differs: both come from this recipe's own pre-training, and the picture's projection is locked with its tower.
"""

from fnmatch import fnmatchcase

from torch import nn

from components.finetuning.freeze import Freeze
from components.finetuning.strategy import Strategy

TEXT_SIDE = ("text.*", "text_projection.*", "logit_*")


class LockedImage(Strategy):
    """Trains the text tower, its projection, where it has one, and the scale of the logits; arguments as of Strategy."""

    def prepare(self, model: nn.Module) -> Freeze:
        """Return the picture side as what stays."""
        names = [name for name, _ in model.named_parameters()]
        return Freeze(model, [side for side in TEXT_SIDE if any(fnmatchcase(name, side) for name in names)])
