"""Blurred and solarised pictures: what makes a view a strong one, beside its crop and its colours.

Source: Grill et al. 2020, arXiv:2006.07733, appendix B (blur and solarisation, and how far they go). Differs: the blur's width follows the
picture's, so that small pictures are not wiped out.
Axes: N pictures, H height, W width, K width of the blur's window.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import conv2d, pad

WIDEST = 2.0 / 224  # deviation of the widest blur, as a share of the picture's side
NARROWEST = WIDEST / 20


def blurred(rgb: Float[Tensor, "N 3 H W"], deviation: Float[Tensor, " N"]) -> Float[Tensor, "N 3 H W"]:
    """Return each picture under a Gaussian of its own deviation, a share of its side, at most WIDEST; 0 leaves it to the bit."""
    side = rgb.shape[-1]
    reach = max(1, math.ceil(3 * WIDEST * side))
    place = torch.arange(-reach, reach + 1.0, device=rgb.device)
    pixels = (deviation * side).clamp(min=1e-3)[:, None]
    window = torch.exp(-0.5 * (place / pixels).square())
    window = (window / window.sum(1, keepdim=True)).repeat_interleave(3, 0)  # (3 N K), one for each channel
    flat = pad(rgb, (reach,) * 4, mode="replicate").flatten(0, 1)[None]
    across = conv2d(flat, window[:, None, None, :], groups=len(window))
    both = conv2d(across, window[:, None, :, None], groups=len(window))[0].view_as(rgb)
    return torch.where((deviation > 0)[:, None, None, None], both, rgb)


def solarised(rgb: Float[Tensor, "N 3 H W"], chosen: Bool[Tensor, "N 1 1 1"]) -> Float[Tensor, "N 3 H W"]:
    """Return the chosen pictures with what is brighter than half made as dark as it was bright; pixels are in [0, 1]."""
    return torch.where(chosen & (rgb > 0.5), 1 - rgb, rgb)
