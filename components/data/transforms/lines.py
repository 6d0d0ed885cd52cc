"""Lines: some pictures as a drawing of their edges, some with their edges darkened, as by another hand.

A network likes to learn colours and textures, which change from one maker of pictures to the next, before shapes, which do
not; where texture says nothing, shapes are what is left to learn.
Source: the idea, Geirhos et al. 2019, arXiv:1811.12231 (pictures in other styles make a network go by shape); the edges,
Sobel and Feldman 1968. Differs: styles are two, made of the picture's own edges, in place of a style network's.
Axes: N pictures, H height, W width.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import conv2d, pad

STRONGEST = 3.0  # what edges are multiplied with at most; a step from black to white has an edge of 1


def with_lines(
    rgb: Float[Tensor, "N 3 H W"],
    strength: Float[Tensor, "N 1 1 1"],
    sketched: Bool[Tensor, "N 1 1 1"],
    outlined: Bool[Tensor, "N 1 1 1"],
) -> Float[Tensor, "N 3 H W"]:
    """Return the pictures, those changed that are to be.

    Args:
        rgb: in [0, 1].
        strength: how dark lines are, 0 to STRONGEST; a sketch has 1 more, so that something is left.
        sketched: which become their edges alone, dark on white.
        outlined: which keep their colours and have their edges darkened.
    """
    edges = edges_of(rgb)
    sketch = (1 - (edges * (1 + strength)).clamp(0, 1)).expand_as(rgb)
    darkened = rgb * (1 - (edges * strength).clamp(0, 1))
    return torch.where(sketched, sketch, torch.where(outlined, darkened, rgb))


def edges_of(rgb: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N 1 H W"]:
    """Return the length of the gradient of the mean of the channels: 1 beside a step from black to white, 0 where it is flat."""
    place = torch.arange(-1.0, 2.0, device=rgb.device)  # made there: a table from here would be waited for
    across = (2 - place.abs()).outer(place) / 4  # Sobel's [-1 0 1], [-2 0 2], [-1 0 1]
    grey = pad(rgb.mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    steps = conv2d(grey, torch.stack([across, across.T])[:, None])
    return steps.square().sum(1, keepdim=True).sqrt().clamp(0, 1)
