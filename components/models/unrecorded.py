"""Views that a tower looks at without keeping their statistics, so that those it answers with later are of plain pictures."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def unrecorded(tower: nn.Module) -> Iterator[None]:
    """Let batch norms take nothing into their running statistics while the block runs; they use the batch's own as ever."""
    norms = [part for part in tower.modules() if isinstance(part, _BatchNorm)]
    kept = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, kept, strict=True):
            norm.momentum = momentum
