"""A text transformer: token ids in, one vector a text out.

Source: Radford et al. 2021, arXiv:2103.00020, section 2.4 (causal, read at the end token). Differs: can also read both ways
and take the mean, which suits short names; width and depth are the recipe's.
Axes: N texts, L tokens, F features, H heads.
"""

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from components.contracts.batch import Images, Texts
from components.contracts.encoded import Tower
from components.contracts.errors import ConfigError


class TextTower(Tower):
    """Embedding, pre-norm transformer blocks, final norm, pool.

    Args:
        vocabulary: rows of the embedding; the tokenizer's size.
        context: most tokens a text can have.
        width: F.
        depth: blocks.
        heads: H; must divide the width.
        causal: whether a token sees only what comes before it.
        pool: `eos` reads the last real token, `mean` averages the real ones.
        dropout: probability, on the residual branches, in training only.
    """

    def __init__(
        self,
        vocabulary: int,
        context: int,
        width: int = 128,
        depth: int = 2,
        heads: int = 4,
        causal: bool = False,
        pool: Literal["eos", "mean"] = "mean",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if width % heads:
            raise ConfigError(
                f"width {width} does not split over {heads} heads; give a width that is a multiple of heads."
            )
        self.width, self.causal, self.pool = width, causal, pool
        self.embedding = nn.Embedding(vocabulary, width)
        self.position = nn.Parameter(torch.empty(context, width))
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        nn.init.normal_(self.embedding.weight, std=0.02)
        nn.init.normal_(self.position, std=0.01)

    def forward(self, rows: Images | Texts) -> Float[Tensor, "N F"]:
        """Return one vector a text; padding changes nothing."""
        assert isinstance(rows, Texts), "a text tower was handed images"
        tokens = self.embedding(rows.ids) + self.position[: rows.ids.shape[1]]
        seen = self.visible(rows.mask)
        for block in self.blocks:
            tokens = block(tokens, seen)
        return self.pooled(self.norm(tokens), rows.mask)

    def visible(self, mask: Bool[Tensor, "N L"]) -> Bool[Tensor, "N 1 L L"]:
        """Return which token may look at which: real ones, and with `causal` only earlier ones."""
        length = mask.shape[1]
        seen = mask[:, None, None, :].expand(-1, 1, length, -1)
        if self.causal:
            seen = seen & torch.ones(length, length, dtype=torch.bool, device=mask.device).tril()
        return seen

    def pooled(self, tokens: Float[Tensor, "N L F"], mask: Bool[Tensor, "N L"]) -> Float[Tensor, "N F"]:
        """Return the last real token, or the mean of the real ones."""
        weight = mask.to(tokens.dtype)
        if self.pool == "eos":
            last = weight.sum(1, keepdim=True) - 1
            weight = (torch.arange(mask.shape[1], device=mask.device)[None] == last).to(tokens.dtype)
        return (tokens * weight[..., None]).sum(1) / weight.sum(1, keepdim=True)


class Block(nn.Module):
    """Pre-norm self-attention and feed-forward, each with a residual."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm_feed = nn.LayerNorm(width)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Float[Tensor, "N L F"], seen: Bool[Tensor, "N 1 L L"]) -> Float[Tensor, "N L F"]:
        """Return the tokens after one round of looking around and thinking."""
        query, key, value = self.qkv(self.norm_attention(tokens)).unflatten(-1, (3, self.heads, -1)).unbind(2)
        looked = attend(query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2), seen)
        tokens = tokens + self.dropout(self.out(looked.transpose(1, 2).flatten(2)))
        return tokens + self.dropout(self.feed(self.norm_feed(tokens)))


def attend(
    query: Float[Tensor, "N H L E"], key: Float[Tensor, "N H L E"], value: Float[Tensor, "N H L E"],
    seen: Bool[Tensor, "N 1 L L"],
) -> Float[Tensor, "N H L E"]:  # fmt: skip
    """Return attention, written out.

    At a few dozen tokens torch's fused kernel takes most of a CPU step: its backward alone was 14% of CLIP's at `laptop`.
    """
    scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
    return scores.masked_fill(~seen, torch.finfo(scores.dtype).min).softmax(-1).to(value.dtype) @ value


def mask_of(ids: Int[Tensor, "N L"], pad: int = 0) -> Bool[Tensor, "N L"]:
    """Return True where a token is real; the exported encoder takes ids alone and derives the mask."""
    return ids != pad
