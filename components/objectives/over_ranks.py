"""Sums over the columns of all ranks, where each rank has the same rows and columns of its own.

Every rank comes to the same numbers, and takes the same loss from there; so a gradient needs no exchange to be that of its own columns.
Alone, they are plain sums. Axes: B rows, C columns of this rank.
"""

from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Bool, Float
from torch import Tensor

NOTHING = float("-inf")  # a column that takes no part


def world() -> int:
    """Return the number of ranks."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def log_sum_exp(values: Float[Tensor, "B C"]) -> Float[Tensor, "B"]:
    """Return log sum exp over all ranks' columns, without overflow; -inf for a row of which no column takes part."""
    return _LogSumExp.apply(values)  # type: ignore[no-any-return, no-untyped-call]  # torch types no Function


def summed(values: Float[Tensor, "B"]) -> Float[Tensor, "B"]:
    """Return the sum over ranks."""
    return _Summed.apply(values)  # type: ignore[no-any-return, no-untyped-call]


def nearest_is_own(values: Float[Tensor, "B C"], is_own: Bool[Tensor, "B C"]) -> Float[Tensor, ""]:
    """Return the share of rows whose largest value, over all ranks, is of a column of their own; a rank may have no column."""
    lowest = values.new_full((len(values), 1), NOTHING)
    most = torch.cat([values, lowest], 1).amax(1)
    if world() > 1:
        dist.all_reduce(most, dist.ReduceOp.MAX)
    own = ((values == most[:, None]) & is_own).any(1).float()
    if world() > 1:
        dist.all_reduce(own, dist.ReduceOp.MAX)
    return own.mean()


class _LogSumExp(torch.autograd.Function):
    """First the largest of all ranks, then the sum of what is left of each."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        """Return [B]."""
        most = values.amax(1) if values.shape[1] else values.new_full((len(values),), NOTHING)
        if world() > 1:
            dist.all_reduce(most, dist.ReduceOp.MAX)
        base = torch.where(most > NOTHING, most, 0.0)
        total = (values - base[:, None]).exp().sum(1)
        if world() > 1:
            dist.all_reduce(total)
        whole = base + total.log()
        ctx.save_for_backward(values, whole)
        return whole

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        """Return each column's share."""
        values, whole = ctx.saved_tensors
        share = (values - torch.where(whole > NOTHING, whole, 0.0)[:, None]).exp()  # of nothing, nothing
        return grads[0][:, None] * share


class _Summed(torch.autograd.Function):
    """What each rank adds has the gradient of the sum."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        """Return [B]."""
        total = values.clone()
        if world() > 1:
            dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        """Return it as it is."""
        return grads[0]
