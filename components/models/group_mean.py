"""The mean of the rows of each group, with its gradient.

Axes: N rows, G groups, D width.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def group_mean(rows: Float[Tensor, "N D"], group: Int[Tensor, " N"]) -> tuple[Float[Tensor, "G D"], Int[Tensor, " N"]]:
    """Return the mean of each group, in the order of their numbers, and of each row which of them is its own."""
    names, own = torch.unique(group, return_inverse=True)
    member = torch.nn.functional.one_hot(own, len(names)).to(rows.dtype)
    return (member.T @ rows) / member.sum(0)[:, None], own
