"""Rows shared out over columns so that every column gets as much as any other: Sinkhorn and Knopp's balancing.

Source: Cuturi 2013, arXiv:1306.0895 (transport with entropy); Caron et al. 2020, arXiv:2006.09882, section 3.1 (a few steps of it make codes).
Differs: in logarithms, so that no score over a small temperature overflows.
Golden: ot.sinkhorn of POT, whose plan has a total of 1, in the limit of many steps, float32, rtol 1e-4; a few steps are lightly's.
Axes: R rows, C columns.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from components.contracts.errors import ConfigError


@torch.no_grad()
def sinkhorn(scores: Float[Tensor, "R C"], temperature: float = 0.05, steps: int = 3) -> Float[Tensor, "R C"]:
    """Return shares without gradient: rows sum to one, and columns to R / C the nearer the more steps there are.

    Args:
        scores: how well each row fits each column, such as cosines.
        temperature: of the shares; the smaller, the more a row goes to one column alone.
        steps: times that columns and then rows are made even, at least 1.

    Raises ConfigError for numbers out of range.
    """
    check_codes(temperature, steps)
    shares = scores.float() / temperature
    even = math.log(len(scores) / scores.shape[1])
    for _ in range(steps):
        shares = shares - shares.logsumexp(0, keepdim=True) + even
        shares = shares.log_softmax(1)
    return shares.exp()


def check_codes(temperature: float, steps: int) -> None:
    """Raise ConfigError for numbers that share nothing out."""
    if temperature <= 0:
        raise ConfigError(f"temperature is {temperature}, but scores are divided by it. 0.05 is usual.")
    if steps < 1:
        raise ConfigError(f"steps is {steps}, so columns would never be made even. 3 is usual.")
