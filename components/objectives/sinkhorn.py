"""Rows shared out over columns so that every column gets what is its due: Sinkhorn and Knopp's balancing.

Source: Cuturi 2013, arXiv:1306.0895 (transport with entropy); Caron et al. 2020, arXiv:2006.09882, section 3.1 (a few steps of it make codes).
Differs: in logarithms, so that no score over a small temperature overflows.
Golden: ot.sinkhorn of POT, whose plan has a total of 1, in the limit of many steps, float32, rtol 1e-4; a few steps are lightly's.
Axes: R rows, C columns.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from components.contracts.errors import ConfigError


def sinkhorn(scores: Float[Tensor, "R C"], temperature: float = 0.05, steps: int = 3) -> Float[Tensor, "R C"]:
    """Return shares without gradient: rows sum to one, and columns to R / C the nearer the more steps there are.

    Args:
        scores: how well each row fits each column, such as cosines.
        temperature: of the shares; the smaller, the more a row goes to one column alone.
        steps: times that columns and then rows are made even, at least 1.

    Raises ConfigError for numbers out of range.
    """
    rows, columns = scores.shape
    even = scores.new_full((columns,), rows / columns, dtype=torch.float32)
    return transport(scores, scores.new_ones(rows, dtype=torch.float32), even, temperature, steps)


@torch.no_grad()
def transport(
    scores: Float[Tensor, "*B R C"], rows: Float[Tensor, "*B R"], columns: Float[Tensor, "*B C"], temperature: float, steps: int
) -> Float[Tensor, "*B R C"]:  # fmt: skip
    """Return how much of each row goes to each column, without gradient: rows sum to what they have, columns nearly to what they take.

    Args:
        scores: how well each row fits each column, such as cosines.
        rows: what each row has to give, at least 0; a row of padding has 0. One of a plan has more.
        columns: what each column is to take, as much in all as the rows have.
        temperature: of the plan; the smaller, the nearer it is to the best one, and the more steps it takes.
        steps: times that columns and then rows are made even, at least 1.

    Raises ConfigError for numbers out of range.
    """
    check_codes(temperature, steps)
    fit, has, takes = scores.float() / temperature, rows.log(), columns.log()
    ahead = torch.zeros_like(has).masked_fill(rows == 0, -torch.inf)  # what each row adds to its fit
    for _ in range(steps):
        behind = takes - (fit + ahead[..., None]).logsumexp(-2)
        ahead = has - (fit + behind[..., None, :]).logsumexp(-1)
    return (fit + ahead[..., None] + behind[..., None, :]).exp()


def check_codes(temperature: float, steps: int) -> None:
    """Raise ConfigError for numbers that share nothing out."""
    if temperature <= 0:
        raise ConfigError(f"temperature is {temperature}, but scores are divided by it. 0.05 is usual.")
    if steps < 1:
        raise ConfigError(f"steps is {steps}, so columns would never be made even. 3 is usual.")
