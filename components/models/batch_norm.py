"""Batch norm whose batch is that of all ranks, on a CPU too, where torch's own wants a GPU.

Source: Ioffe and Szegedy 2015, arXiv:1502.03167. Differs: it keeps no running statistics, so it is for heads that are thrown away
after training.
Golden: torch.nn.BatchNorm1d in training, value and gradient, float32, rtol 1e-5.
Axes: R rows of this rank, F features.
"""

from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor, nn

from components.contracts.errors import ConfigError


class BatchNorm(nn.Module):
    """Mean 0 and variance 1 of each feature over the batch, then a learned gain and offset.

    Args:
        width: F.
        over_ranks: whether the batch is that of all ranks, which have as many rows each.
        eps: what is added to the variance.
    """

    def __init__(self, width: int, over_ranks: bool = True, eps: float = 1e-5) -> None:
        super().__init__()
        self.over_ranks, self.eps = over_ranks, eps
        self.gain, self.offset = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, rows: Float[Tensor, "R F"]) -> Float[Tensor, "R F"]:
        """Return the rows; ConfigError for a batch of one, which has no variance."""
        is_shared = self.over_ranks and dist.is_available() and dist.is_initialized()
        if len(rows) * (dist.get_world_size() if is_shared else 1) < 2:
            raise ConfigError("the batch is one row, which batch norm makes nothing of. Set batch to 2 or more.")
        exact = rows.float()
        mean = _over_ranks(exact.mean(0), is_shared)
        centred = exact - mean
        variance = _over_ranks(centred.square().mean(0), is_shared)
        return (centred * (variance + self.eps).rsqrt() * self.gain + self.offset).to(rows.dtype)


def _over_ranks(mean: Tensor, is_shared: bool) -> Tensor:
    return _Mean.apply(mean) if is_shared else mean


class _Mean(torch.autograd.Function):
    """The mean of the ranks' tensors; each rank's gets the mean of the gradients that the ranks have for it."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        """Return the same on every rank."""
        return _summed(own) / dist.get_world_size()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        """Return what all ranks' losses say of ours."""
        return _summed(grads[0]) / dist.get_world_size()


def _summed(own: Tensor) -> Tensor:
    total = own.detach().clone(memory_format=torch.contiguous_format)
    dist.all_reduce(total)
    return total
