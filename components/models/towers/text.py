"""A text transformer: token ids in, one vector a text out.

Source: Radford et al. 2021, arXiv:2103.00020, section 2.4 (causal, read at the end token). Differs: can also read both ways
and take the mean, which suits short names; width and depth are the recipe's. What SigLIP (Zhai et al. 2023,
arXiv:2303.15343; padding is read too) and BERT (Devlin et al. 2019, arXiv:1810.04805; norms after the sums, and one over
the embedding in place of the last) do otherwise are choices of the same tower, so that it takes their weights.
Axes: N texts, L tokens, Q tokens that look (all L, or the one that is read), F features, H heads, E features of a head.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import dropout

from components.contracts.batch import Images, Texts
from components.contracts.encoded import Encoded, Tower
from components.contracts.errors import ConfigError
from components.models.poolers import Pool, place_of, pooled

Activation = Literal["gelu", "quick_gelu", "gelu_tanh"]
Inject = Callable[[int, Float[Tensor, "N L F"]], Float[Tensor, "N L F"]]
"""What becomes of the tokens after the block of that number."""


class TextTower(Tower):
    """Embedding, transformer blocks, norm, pool.

    Args:
        vocabulary: rows of the embedding; the tokenizer's size.
        context: most tokens a text can have.
        width: F.
        depth: blocks.
        heads: H; must divide the width.
        causal: whether a token sees only what comes before it.
        pool: `eos` reads the last real token, `cls` the first, `mean` and `max` all real ones, `last` the last place.
        dropout: probability, on the residual branches, in training only.
        activation: of the feed-forward; OpenAI's CLIP has `quick_gelu`, SigLIP `gelu_tanh`.
        feed: width of the feed-forward; four times F unless given.
        eps: what norms add to the variance.
        masked: whether padding is hidden; SigLIP reads it like any token, and rows are filled up to `context` for it.
        pad: the id of padding, which the tokenizer must have too.
        norms: `before` each branch and once at the end, or `after` each sum and once over the embedding, as in BERT.
    """

    def __init__(
        self,
        vocabulary: int,
        context: int,
        width: int = 128,
        depth: int = 2,
        heads: int = 4,
        causal: bool = False,
        pool: Pool = "mean",
        dropout: float = 0.0,
        activation: Activation = "gelu",
        feed: int | None = None,
        eps: float = 1e-5,
        masked: bool = True,
        pad: int = 0,
        norms: Literal["before", "after"] = "before",
    ) -> None:
        super().__init__()
        if width % heads:
            raise ConfigError(
                f"width {width} does not split over {heads} heads; give a width that is a multiple of heads."
            )
        if causal and pool == "cls":
            raise ConfigError(
                "pool is cls, the first token, which in a causal tower sees nothing but itself: all texts would come out "
                "alike. Use eos, or causal false."
            )
        self.width, self.causal, self.pool = width, causal, pool
        self.masked, self.pad, self.norms = masked, pad, norms
        self.embedding = nn.Embedding(vocabulary, width)
        self.position = nn.Parameter(torch.empty(context, width))
        kind = Block if norms == "before" else BlockNormedAfter
        self.blocks = nn.ModuleList(
            kind(width, heads, dropout, activation, feed or 4 * width, eps) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width, eps=eps)
        nn.init.normal_(self.embedding.weight, std=0.02)
        nn.init.normal_(self.position, std=0.01)

    @property
    def hooks(self) -> tuple[str, ...]:
        """`block0` and so on, and `attention0` and so on."""
        return tuple(f"{kind}{i}" for kind in ("block", "attention") for i in range(len(self.blocks)))

    def forward(
        self, rows: Images | Texts, need: Sequence[str] = (), inject: Inject | None = None, drop: float = 0.0
    ) -> Encoded:
        """Return one vector a text; padding changes nothing, unless it is read (`masked`).

        Args:
            rows: the texts.
            need: as of every tower.
            inject: what a method adds on the way, such as StageFusion; hooks are what the blocks gave before it.
            drop: share of the numbers that go from what each block takes, in training: for a method that reads some texts so and others not.
        """
        assert isinstance(rows, Texts), "a text tower was handed images"
        self.check(need)
        rows = rows if self.masked else self.filled(rows)
        tokens, seen, found = self.stem(rows), self.visible(rows.mask), {}
        place = place_of(rows.mask, self.pool) if not need and inject is None and self.is_read_alone() else None
        for number, block in enumerate(self.blocks):
            if place is not None and number == len(self.blocks) - 1:
                return self.finish_one(block(tokens, seen, place), rows.mask)
            if (name := f"attention{number}") in need:
                found[name] = block.attention(tokens, seen)  # type: ignore[operator]  # every block here has it
            tokens = block(dropout(tokens, drop, self.training) if drop else tokens, seen)
            if (name := f"block{number}") in need:
                found[name] = tokens
            if inject is not None:
                tokens = inject(number, tokens)
        return self.finish(tokens, rows.mask, found)

    def stem(self, rows: Images | Texts) -> Float[Tensor, "N L F"]:
        """Return what the first block takes; ConfigError for rows longer than the tower reads."""
        assert isinstance(rows, Texts), "a text tower was handed images"
        context = len(self.position)
        if rows.ids.shape[1] > context:
            raise ConfigError(
                f"a row has {rows.ids.shape[1]} tokens, and this text tower has places for {context}. Cut rows at {context}, "
                "or build the tower with a longer context."
            )
        tokens = self.embedding(rows.ids) + self.position[: rows.ids.shape[1]]
        return self.norm(tokens) if self.norms == "after" else tokens

    def finish(
        self, tokens: Float[Tensor, "N L F"], mask: Bool[Tensor, "N L"], hooks: dict[str, Tensor] | None = None
    ) -> Encoded:
        """Return vector and tokens of what the last block gave."""
        last = self.norm(tokens) if self.norms == "before" else tokens
        features = pooled(last, mask, self.pool)
        return Encoded(pooled=features, features=features, tokens=last, mask=mask, hooks=hooks or {})

    def is_read_alone(self) -> bool:
        """Say whether the last block may work for the token that is read alone: where no gradient is asked for, nor any of the others."""
        return torch.is_inference_mode_enabled() and not self.training

    def finish_one(self, token: Float[Tensor, "N 1 F"], mask: Bool[Tensor, "N L"]) -> Encoded:
        """Return the vector alone, of what the last block gave for the token that is read."""
        features = (self.norm(token) if self.norms == "before" else token)[:, 0]
        return Encoded(pooled=features, features=features, mask=mask)

    def filled(self, rows: Texts) -> Texts:
        """Return rows of `context` tokens with this tower's padding: where it is read, shorter rows would be other texts."""
        short = max(len(self.position) - rows.ids.shape[1], 0)
        ids = nn.functional.pad(rows.ids.masked_fill(~rows.mask, self.pad), (0, short), value=self.pad)
        return replace(rows, ids=ids, mask=nn.functional.pad(rows.mask, (0, short), value=False))

    def visible(self, mask: Bool[Tensor, "N L"]) -> Bool[Tensor, "N 1 L L"]:
        """Return which token may look at which: real ones, and with `causal` only earlier ones."""
        length = mask.shape[1]
        if not self.masked:
            mask = torch.ones_like(mask)
        seen = mask[:, None, None, :].expand(-1, 1, length, -1)
        if self.causal:
            seen = seen & torch.ones(length, length, dtype=torch.bool, device=mask.device).tril()
        return seen


class QuickGelu(nn.Module):
    """x sigmoid(1.702 x), with which OpenAI trained CLIP."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the same shape."""
        return x * torch.sigmoid(1.702 * x)


def activated(activation: Activation) -> nn.Module:
    """Return the feed-forward's bend."""
    if activation == "quick_gelu":
        return QuickGelu()
    return nn.GELU(approximate="tanh" if activation == "gelu_tanh" else "none")


class Block(nn.Module):
    """Pre-norm self-attention and feed-forward, each with a residual."""

    def __init__(self, width: int, heads: int, dropout: float, activation: Activation, feed: int, eps: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(width, eps=eps)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm_feed = nn.LayerNorm(width, eps=eps)
        self.feed = nn.Sequential(nn.Linear(width, feed), activated(activation), nn.Linear(feed, width))
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, tokens: Float[Tensor, "N L F"], seen: Bool[Tensor, "N 1 L L"], place: Int[Tensor, "N"] | None = None
    ) -> Float[Tensor, "N Q F"]:
        """Return the tokens after one round of looking around and thinking; of each row the one at `place` alone, where that is given."""
        looked = self.looked(self.norm_attention(tokens), seen, place)
        tokens = at(tokens, place) + self.dropout(looked)
        return tokens + self.dropout(self.feed(self.norm_feed(tokens)))

    def looked(
        self, tokens: Float[Tensor, "N L F"], seen: Bool[Tensor, "N 1 L L"], place: Int[Tensor, "N"] | None = None
    ) -> Float[Tensor, "N Q F"]:
        """Return what each token saw, or the one at `place`."""
        query, key, value = self.split(tokens)
        query, seen = at(query, place), at(seen, place)
        return self.out(attend(query, key, value, seen).transpose(1, 2).flatten(2))

    def attention(self, tokens: Float[Tensor, "N L F"], seen: Bool[Tensor, "N 1 L L"]) -> Float[Tensor, "N H L L"]:
        """Return how much each token looks at each, of what the block is given."""
        query, key, _ = self.split(self.norm_attention(tokens))
        return weights(query, key, seen)

    def split(self, tokens: Float[Tensor, "N L F"]) -> tuple[Tensor, Tensor, Tensor]:
        """Return query, key and value, each [N H L E]."""
        query, key, value = self.qkv(tokens).unflatten(-1, (3, self.heads, -1)).unbind(2)
        return query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)


class BlockNormedAfter(Block):
    """The same parts, with each norm after its sum, as in BERT."""

    def forward(
        self, tokens: Float[Tensor, "N L F"], seen: Bool[Tensor, "N 1 L L"], place: Int[Tensor, "N"] | None = None
    ) -> Float[Tensor, "N Q F"]:
        """Return the tokens after one round of looking around and thinking; of each row the one at `place` alone, where that is given."""
        tokens = self.norm_attention(at(tokens, place) + self.dropout(self.looked(tokens, seen, place)))
        return self.norm_feed(tokens + self.dropout(self.feed(tokens)))

    def attention(self, tokens: Float[Tensor, "N L F"], seen: Bool[Tensor, "N 1 L L"]) -> Float[Tensor, "N H L L"]:
        """Return how much each token looks at each, of what the block is given."""
        query, key, _ = self.split(tokens)
        return weights(query, key, seen)


def at(rows: Tensor, place: Int[Tensor, "N"] | None) -> Tensor:
    """Return of each row what lies at its place along the last axis but one, [N … 1 E]; all of it where no place is given."""
    if place is None:
        return rows
    index = place.view(-1, *[1] * (rows.ndim - 1)).expand(*rows.shape[:-2], 1, rows.shape[-1])
    return rows.gather(-2, index)


def attend(
    query: Float[Tensor, "N H Q E"], key: Float[Tensor, "N H L E"], value: Float[Tensor, "N H L E"],
    seen: Bool[Tensor, "N 1 Q L"],
) -> Float[Tensor, "N H Q E"]:  # fmt: skip
    """Return attention, written out.

    At a few dozen tokens torch's fused kernel takes most of a CPU step: its backward alone was 14% of CLIP's at `laptop`.
    """
    return weights(query, key, seen).to(value.dtype) @ value


def weights(
    query: Float[Tensor, "N H Q E"], key: Float[Tensor, "N H L E"], seen: Bool[Tensor, "N 1 Q L"]
) -> Float[Tensor, "N H Q L"]:
    """Return how much each token looks at each; a row sums to 1."""
    scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
    return scores.masked_fill(~seen, torch.finfo(scores.dtype).min).softmax(-1)


def mask_of(ids: Int[Tensor, "N L"], pad: int = 0, closed: bool = False) -> Bool[Tensor, "N L"]:
    """Return True where a token is real, up to the last that is no padding; the exported encoder takes ids alone and derives the mask.

    An id inside may look like padding: CLIP's tokenizer pads with 0, which is a "!" that ends no word, too. `closed` is of
    texts that end in the very token that they are padded with, of which the first is real.
    """
    place = torch.arange(1, ids.shape[1] + 1, device=ids.device)
    last = (place * (ids != pad)).amax(1, keepdim=True)
    return place <= last + int(closed)


def is_closed(rows: Texts, pad: int) -> bool:
    """Return whether texts end in the very token that they are padded with, as SigLIP's do."""
    last = (rows.mask.sum(1, keepdim=True) - 1).clamp(min=0)
    return bool((rows.ids.gather(1, last) == pad).all())
