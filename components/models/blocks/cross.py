"""A transformer block whose queries may come from elsewhere: attention, then a feed-forward, each with its norm behind the sum.

Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.1; sizes as in Pan et al. 2023, jaychempan/PIR (seed 44): twice the width in the
feed-forward, with a norm before it bends. Differs: nothing.
Axes: N rows, Q queries (1 stands for all), L tokens, F features, H heads.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from components.contracts.errors import ConfigError


class CrossBlock(nn.Module):
    """Tokens, and what queries found among them: LN(tokens + attention), then LN(that + feed-forward).

    Args:
        width: F; ConfigError unless heads divide it.
        heads: H.
        dropout: probability, on both branches, in training only.
    """

    def __init__(self, width: int, heads: int = 8, dropout: float = 0.0) -> None:
        super().__init__()
        if width % heads:
            raise ConfigError(
                f"width {width} does not split over {heads} heads; give a number of heads that divides the width."
            )
        self.heads = heads
        self.query, self.memory, self.out = (
            nn.Linear(width, width),
            nn.Linear(width, 2 * width),
            nn.Linear(width, width),
        )
        self.norm_attention, self.norm_feed = nn.LayerNorm(width), nn.LayerNorm(width)
        self.feed = nn.Sequential(
            nn.Linear(width, 2 * width), nn.LayerNorm(2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, tokens: Float[Tensor, "N L F"], query: Float[Tensor, "N Q F"], mask: Bool[Tensor, "N L"] | None = None
    ) -> Float[Tensor, "N L F"]:
        """Return the tokens, each with what its query found among them; one query is every token's.

        Args:
            query: the tokens themselves for self-attention.
            mask: True where a token is real; None where all are.
        """
        asked = self.query(query).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        key, value = self.memory(tokens).unflatten(-1, (2, self.heads, -1)).transpose(1, 3).unbind(2)
        scores = asked @ key.transpose(-1, -2) * asked.shape[-1] ** -0.5
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, None], torch.finfo(scores.dtype).min)
        found = (scores.softmax(-1).to(value.dtype) @ value).transpose(1, 2).flatten(2)
        tokens = self.norm_attention(tokens + self.dropout(self.out(found)))
        return self.norm_feed(tokens + self.dropout(self.feed(tokens)))
