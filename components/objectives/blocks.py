"""A loss that is a sum over rows, taken a block of rows at a time: memory grows with the batch, not with its square.

Source: recomputation as in Chen et al. 2016, arXiv:1604.06174, but each block's gradient is taken while its scores are
there, so nothing is computed twice. Differs: the gradient of what the loss is multiplied with afterwards is one number.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Part = Callable[..., Tensor]
"""Takes a slice of rows and the tensors, and returns the loss of these rows alone, float []."""


def in_blocks(part: Part, rows: int, size: int, *tensors: Tensor) -> Tensor:
    """Return the sum of `part(slice, *tensors)` over slices of at most `size` of the rows; it can be differentiated once."""
    unique = list({id(tensor): tensor for tensor in tensors}.values())  # one that stands twice has one gradient
    places = [next(at for at, one in enumerate(unique) if one is tensor) for tensor in tensors]

    def named(block: slice, *given: Tensor) -> Tensor:
        return part(block, *(given[at] for at in places))

    return _Blocks.apply(named, rows, size, torch.is_grad_enabled(), *unique)  # type: ignore[no-any-return]


class _Blocks(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, part: Part, rows: int, size: int, learns: bool, *tensors: Tensor) -> Tensor:
        """Return the sum, and keep a gradient for each tensor that has one."""
        needs = [learns and need for need in ctx.needs_input_grad[4:]]
        inputs = [tensor.detach().requires_grad_(need) for tensor, need in zip(tensors, needs, strict=True)]
        wanted = [tensor for tensor in inputs if tensor.requires_grad]
        sums = [torch.zeros_like(tensor) for tensor in wanted]
        total = torch.zeros((), device=tensors[0].device)
        for start in range(0, rows, size):
            with torch.set_grad_enabled(bool(wanted)):
                loss = part(slice(start, start + size), *inputs)
            total += loss.detach()
            if wanted:
                for kept, one in zip(sums, torch.autograd.grad(loss, wanted), strict=True):
                    kept += one
        ctx.needs = needs
        ctx.save_for_backward(*sums)
        return total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        """Return what was kept, times the one number from outside."""
        kept = iter(ctx.saved_tensors)
        return (None, None, None, None, *(next(kept) * outer[0] if need else None for need in ctx.needs))
