"""Weights between two models: theta = (1 - alpha) theta_pretrained + alpha theta_tuned.

Source: Wortsman et al. 2021, arXiv:2109.01903, section 3 (WiSE-FT). Differs: equal tensors stay to the last bit, and numbers
are mixed in float64, so that the two ends are the two models themselves.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from components.contracts.errors import ConfigError

Weights = Mapping[str, Tensor]
"""A state dict: name -> tensor, buffers included."""


def interpolate(pretrained: Weights, tuned: Weights, alpha: float) -> dict[str, Tensor]:
    """Return the weights at `alpha` of the way, as copies: 0 is `pretrained`, 1 is `tuned`, bit for bit.

    Whole numbers, such as batch norm's count of batches, have no between and come from the nearer end; half of the way is
    nearer to `tuned`.

    Raises ConfigError for an alpha outside [0, 1], and for weights of different names, shapes or types.
    """
    if not 0 <= alpha <= 1:
        raise ConfigError(
            f"alpha is {alpha}, but weights are mixed between the pre-trained (0) and the tuned ones (1). "
            "Give numbers from 0 to 1."
        )
    _same_kind(pretrained, tuned)
    return {name: _between(old, tuned[name], alpha) for name, old in pretrained.items()}


def _between(old: Tensor, new: Tensor, alpha: float) -> Tensor:
    if alpha == 1:
        return new.clone()
    if alpha == 0 or torch.equal(old, new):
        return old.clone()
    if not (old.is_floating_point() or old.is_complex()):
        return (new if alpha >= 0.5 else old).clone()
    wide = torch.complex128 if old.is_complex() else torch.float64
    return torch.lerp(old.to(wide), new.to(wide), alpha).to(old.dtype)


def _same_kind(pretrained: Weights, tuned: Weights) -> None:
    """Raise ConfigError unless both have the same names, shapes and types."""
    kinds = [{name: (tuple(t.shape), t.dtype) for name, t in weights.items()} for weights in (pretrained, tuned)]
    if differ := sorted(name for name in {*kinds[0], *kinds[1]} if kinds[0].get(name) != kinds[1].get(name)):
        said = [str(kind.get(differ[0], "missing")) for kind in kinds]
        raise ConfigError(
            f"{differ[0]} is {said[0]} before tuning and {said[1]} after, so there is nothing between the two. A strategy "
            "that adds weights has to merge them into those that were there."
        )
