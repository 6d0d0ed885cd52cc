"""The patches that a text speaks of, as one vector: each text of a picture pools that picture's patches by how near they are to it.

Source: Zheng et al. 2024, arXiv:2403.17007, section 3 (seed 10); min-max and the threshold of 1 / M as in Bica et al. 2024,
arXiv:2401.09865. Differs: the nearest patch always stays, so that no threshold leaves nothing, and patches that are all
alike count alike, where min-max would divide nothing by nothing.
Golden: the same by loops over texts, float32, rtol 1e-5.
Axes: N pictures, M patches, K texts of each, D shared width.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

Norm = Literal["min_max", "softmax"]
"""How the cosines of a text become shares: `min_max` the farthest patch is 0 and the nearest 1, `softmax` over the patches."""


def text_grouped(
    patches: Float[Tensor, "N M D"],
    texts: Float[Tensor, "N K D"],
    norm: Norm = "min_max",
    threshold: float | None = None,
    detach: bool = False,
) -> Float[Tensor, "N K D"]:
    """Return a unit vector for each text of each picture: its patches' directions, by weight. Normalises what it is given.

    Args:
        patches: without class and register tokens.
        texts: those of each picture.
        norm: how cosines become shares.
        threshold: share below which a patch counts nothing; None is 1 / M.
        detach: whether the weights are taken as they are, so that patches learn only from what they are pooled to.
    """
    near, said = normalize(patches.float(), dim=-1), normalize(texts.float(), dim=-1)
    weights = group_weights(said @ near.transpose(1, 2), norm, threshold)
    return normalize((weights.detach() if detach else weights) @ near, dim=-1)


def group_weights(
    cosines: Float[Tensor, "N K M"], norm: Norm = "min_max", threshold: float | None = None
) -> Float[Tensor, "N K M"]:
    """Return how much each patch counts for each text: at least 0, and 1 together."""
    if norm == "softmax":
        shares = cosines.softmax(-1)
    else:
        least, most = cosines.amin(-1, keepdim=True), cosines.amax(-1, keepdim=True)
        spread = most - least
        shares = torch.where(spread > 0, (cosines - least) / torch.where(spread > 0, spread, 1.0), 1.0)
    least_share = 1 / cosines.shape[-1] if threshold is None else threshold
    kept = shares * ((shares >= least_share) | (shares >= shares.amax(-1, keepdim=True)))
    return kept / kept.sum(-1, keepdim=True)
