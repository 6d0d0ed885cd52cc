"""Locked-text tuning: the texts stay as they are, and the picture side learns to find them.

Source: Zhai et al. 2022, arXiv:2111.07991, section 3 ("UL" in the paper's letters, the mirror of its locked-image tuning). Differs: both towers come from this
recipe's own pre-training; the text's projection is locked with its tower; batch norms stay as they are, since statistics of a small set are poor.
"""

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from components.finetuning.freeze import Freeze
from components.finetuning.strategy import Strategy

IMAGE_SIDE = ("image.", "image_projection.", "logit_")


class LockedText(Strategy):
    """Trains the image tower without its batch norms, its projection and the scale of the logits; arguments as of Strategy."""

    def prepare(self, model: nn.Module) -> Freeze:
        """Return the text side as what stays, and batch norms with it."""
        norms = tuple(f"{name}." for name, part in model.named_modules() if isinstance(part, _BatchNorm))
        names = [name for name, _ in model.named_parameters() if name.startswith(IMAGE_SIDE)]
        return Freeze(model, tuple(name for name in names if not norms or not name.startswith(norms)))
