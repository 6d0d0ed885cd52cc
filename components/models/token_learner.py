"""A few tokens of many: each is a mean of all, weighed by a map of its own that is learnt from what the tokens are.

Source: Ryoo et al. 2021, arXiv:2106.11297, as Gu et al. 2022, arXiv:2202.06767 (seed 25) have it, section 4.2: two maps of 1 x 1, the first in
groups, a softmax over places, and values through a map in groups. Differs: tokens may lie in no grid, since no map looks at neighbours.
Axes: N pictures, K tokens of each, Q that are left, F features.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from components.contracts.errors import ConfigError


class TokenLearner(nn.Module):
    """Q tokens of any number.

    Args:
        width: F, of a token; a multiple of `groups`.
        tokens: Q, how many are left.
        groups: into which features are split where a map has groups; 8 in the paper's released code.
        dropout: probability that a number of a token is 0, in training only.

    Raises ConfigError for a number that is out of range, or does not divide the width.
    """

    def __init__(self, width: int, tokens: int = 8, groups: int = 8, dropout: float = 0.0) -> None:
        super().__init__()
        if tokens < 1 or not 0 <= dropout < 1:
            raise ConfigError(
                f"tokens is {tokens}, dropout is {dropout}. Give at least 1 token, 12 or 24 in the paper, and a probability below 1, such as 0."
            )
        if groups < 1 or width % groups:
            raise ConfigError(
                f"groups is {groups}, which does not divide the {width} features of a token. Give a number that does, such as 8 or 1."
            )
        self.tokens = tokens
        self.norm = nn.LayerNorm(width)
        self.look = nn.Conv1d(width, width, 1, groups=groups, bias=False)
        self.places = nn.Conv1d(width, tokens, 1, bias=False)
        self.values = nn.Conv1d(width, width, 1, groups=groups, bias=False)
        self.dropout = nn.Dropout(dropout)

    def maps(self, tokens: Float[Tensor, "N K F"]) -> Float[Tensor, "N Q K"]:
        """Return how much of each token goes into each that is left; a row sums to 1."""
        return self.places(self.look(self.norm(tokens).transpose(1, 2))).softmax(-1)  # type: ignore[no-any-return]

    def forward(self, tokens: Float[Tensor, "N K F"]) -> Float[Tensor, "N Q F"]:
        """Return the tokens that are left, in no order that means anything."""
        values = self.values(tokens.transpose(1, 2))
        return self.dropout(torch.bmm(self.maps(tokens), values.transpose(1, 2)))  # type: ignore[no-any-return]
