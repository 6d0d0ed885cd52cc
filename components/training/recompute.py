"""Blocks that keep nothing but what they were given, and are computed again when the gradient comes by.

Source: Chen et al. 2016, arXiv:1604.06174 (a checkpoint a block), as torch has it. Draws of dropout are the same both times, so
every bit of loss and gradient is that of the plain step; the price is one more forward pass, a third more time.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from components.contracts.encoded import Tower
from components.contracts.errors import CapabilityError


@contextmanager
def recomputed(model: nn.Module, wanted: bool) -> Iterator[None]:
    """Let the blocks of every tower keep nothing while the block runs, where it is wanted.

    Raises CapabilityError, by name, for a batch norm, which would take its statistics twice, and where no tower opens into
    blocks.
    """
    blocks = blocks_of(model) if wanted else []
    for block in blocks:
        block.forward = partial(_kept_nothing, block.forward)
    try:
        yield
    finally:
        for block in blocks:
            del block.forward


def blocks_of(model: nn.Module) -> list[nn.Module]:
    """Return the blocks that can be computed again, of all towers."""
    blocks = [block for part in model.modules() if isinstance(part, Tower) for block in opened(part)]
    if not blocks:
        raise CapabilityError(
            f"recompute is set, but no tower of this {type(model).__name__} opens into blocks, so nothing would be saved. "
            "Set recompute to false in the scale."
        )
    for name, part in model.named_modules():
        if isinstance(part, _BatchNorm) and any(part in set(block.modules()) for block in blocks):
            raise CapabilityError(
                f"recompute is set, but {name} is a {type(part).__name__}: computed twice, it would take its statistics twice. "
                "Choose a net without batch norm in the recipe, or set recompute to false in the scale."
            )
    return blocks


def opened(tower: Tower) -> list[nn.Module]:
    """Return the blocks of one tower that are modules of it; [] where it is no plain chain of them."""
    parts = set(tower.modules())
    return [block for block in getattr(tower, "blocks", ()) if block in parts]


def _kept_nothing(forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return checkpoint(forward, *args, use_reentrant=False, **kwargs)
