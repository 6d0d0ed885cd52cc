"""Cross-entropy of rows of scores, each against the column, or the distribution over columns, that is right for it.

Axes: R rows, C columns, K columns that `right` speaks of, M that `mask` does; those after them belong to nothing, or take part.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot, pad

Right = Int[Tensor, " R"] | Float[Tensor, "R K"]
"""The one column of each row, or how much of a row belongs to each column."""


def row_losses(
    scores: Float[Tensor, "R C"],
    right: Right,
    smoothing: float = 0.0,
    weights: Float[Tensor, " R"] | None = None,
    mask: Bool[Tensor, "R M"] | None = None,
) -> Float[Tensor, " R"]:
    """Return nats of each row, times its weight. Smoothing gives nothing to what the mask keeps out."""
    if right.is_floating_point():
        right = pad(right, (0, scores.shape[1] - right.shape[1])).to(scores.dtype)
    if mask is not None:
        if not right.is_floating_point():
            right = one_hot(right, scores.shape[1]).to(scores.dtype)
        takes_part = pad(mask, (0, scores.shape[1] - mask.shape[1]), value=True) | (right > 0)
        right = (1 - smoothing) * right + smoothing * takes_part / takes_part.sum(1, keepdim=True)
        scores, smoothing = scores.masked_fill(~takes_part, torch.finfo(scores.dtype).min), 0.0
    losses = cross_entropy(scores, right, label_smoothing=smoothing, reduction="none")
    return losses if weights is None else weights * losses


def behind(scores: Float[Tensor, "R C"], right: Right, margin: Float[Tensor, ""]) -> Float[Tensor, "R C"]:
    """Return the scores with those of what is right lowered by a margin."""
    if right.is_floating_point():
        return scores - margin * pad(right > 0, (0, scores.shape[1] - right.shape[1]))
    return scores - margin * one_hot(right, scores.shape[1])
