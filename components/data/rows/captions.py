"""Captions as tokens, one after the other without padding, so that short ones take little room.

Axes: M samples, K captions of all samples, P pieces of all captions, T tokens of all pieces, B rows, L tokens of the longest.
"""

from collections.abc import Sequence
from itertools import chain, islice

import torch
from jaxtyping import Float, Int
from torch import Tensor

from components.contracts.batch import Texts
from components.contracts.long_captions import LongCaptions
from components.data.long_captions import taken_apart
from components.data.tokenizers import Vocabulary

_AT_ONCE = 8192  # captions tokenised at once: padded rows of many more would not fit beside a model


class Captions:
    """The captions of every sample.

    Args:
        vocabulary: makes tokens of them; its padding is id 0, at the right.
        captions: those of each sample, at least one.
        long: what becomes of captions that are longer than the vocabulary reads.
        is_kept: whether their words are kept beside the tokens, for whoever changes them before they are read.
        weights: how often each caption is drawn against the others of its sample, above 0; none draws all as often.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        captions: Sequence[Sequence[str]],
        long: LongCaptions = "truncate",
        is_kept: bool = False,
        weights: Sequence[Sequence[float]] = (),
    ) -> None:
        apart = taken_apart(captions, long, vocabulary)
        texts, tokens, lengths = chain.from_iterable(chain.from_iterable(apart)), [], []
        while some := list(islice(texts, _AT_ONCE)):
            padded = vocabulary(some)
            tokens.append(padded.ids[padded.mask].int())
            lengths.append(padded.mask.sum(1))
        self.tokens = torch.cat(tokens)  # (T,)
        self.begin = ends(torch.cat(lengths))  # (P + 1,), of each piece among the tokens
        self.pieces = ends(
            torch.tensor([len(caption) for own in apart for caption in own])
        )  # (K + 1,), of each caption
        self.first = ends(torch.tensor([len(own) for own in apart]))  # (M + 1,), of each sample among the captions
        self.words = list(chain.from_iterable(chain.from_iterable(apart))) if is_kept else []
        self.weight = torch.tensor([one for own in weights for one in own], dtype=torch.float64) if weights else None
        self.upto = None if self.weight is None else torch.cat([self.weight.new_zeros(1), self.weight.cumsum(0)])

    def lengths(self) -> list[int]:
        """Return the tokens of the longest caption of each sample, or of its longest piece."""
        each = self.begin.diff()
        return [int(own.max()) for own in each.split(self.pieces[self.first].diff().tolist())]

    def choose(self, rows: Int[Tensor, "B"], draw: torch.Generator) -> Int[Tensor, "B"]:
        """Return the number of one piece of each sample: a caption drawn evenly, or by its weight, and a piece of it drawn evenly."""
        if self.upto is not None:
            return self._choose_weighted(rows, draw, self.upto)
        spot = torch.rand(len(rows), generator=draw) * (self.first[rows + 1] - self.first[rows])
        within, caption = spot.frac(), self.first[rows] + spot.long()
        kinds = self.pieces[caption + 1] - self.pieces[caption]
        return self.pieces[caption] + (within * kinds).long()

    def _choose_weighted(
        self, rows: Int[Tensor, "B"], draw: torch.Generator, upto: Float[Tensor, "_"]
    ) -> Int[Tensor, "B"]:
        first, last = self.first[rows], self.first[rows + 1]
        spot = torch.rand(len(rows), generator=draw, dtype=torch.float64) * (upto[last] - upto[first]) + upto[first]
        caption = (torch.searchsorted(upto, spot, right=True) - 1).clamp(
            first, last - 1
        )  # a sum may round past its end
        kinds = self.pieces[caption + 1] - self.pieces[caption]
        return self.pieces[caption] + (torch.rand(len(rows), generator=draw) * kinds).long()

    def choose_some(self, rows: Int[Tensor, "B"], draw: torch.Generator, count: int) -> Int[Tensor, "B N"]:
        """Return pieces of `count` captions of each sample, no caption again before all were there.

        By weight, the first is drawn by all weights, the next by those of what is left (Efraimidis and Spirakis 2006).
        """
        many = self.first[rows + 1] - self.first[rows]
        rank = torch.rand(len(rows), int(many.max()), generator=draw)
        if self.weight is not None:
            at = (self.first[rows][:, None] + torch.arange(rank.shape[1])).clamp(max=len(self.weight) - 1)
            rank = -(-rank.double()).log1p() / self.weight[at]  # the time until each rings, at the rate of its weight
        rank = rank.masked_fill(torch.arange(rank.shape[1]) >= many[:, None], torch.inf)  # behind all there are
        turn = torch.arange(count) % many[:, None]
        caption = self.first[rows][:, None] + rank.argsort(dim=1).gather(1, turn)
        kinds = self.pieces[caption + 1] - self.pieces[caption]
        return self.pieces[caption] + (torch.rand(caption.shape, generator=draw) * kinds).long()

    def number(self, rows: Int[Tensor, "B"], chosen: Int[Tensor, "B"]) -> Int[Tensor, "B"]:
        """Return which of its sample's captions each piece is of, from 0."""
        return torch.searchsorted(self.pieces, chosen, right=True) - 1 - self.first[rows]

    def said(self, chosen: Int[Tensor, "B"]) -> list[str]:
        """Return the words of pieces by number, where they were kept."""
        return [self.words[piece] for piece in chosen.tolist()]

    def texts(self, chosen: Int[Tensor, "B"]) -> Texts:
        """Return pieces by number, [B L], no wider than the longest."""
        length = self.begin[chosen + 1] - self.begin[chosen]
        place = torch.arange(int(length.max()))
        mask = place < length[:, None]
        found = self.tokens[(self.begin[chosen][:, None] + place).clamp(max=len(self.tokens) - 1)]
        return Texts(ids=torch.where(mask, found.long(), 0), mask=mask)


def ends(lengths: Int[Tensor, "N"]) -> Int[Tensor, "N+1"]:
    """Return where each of N pieces begins when they lie one after the other, and where the last ends."""
    return torch.cat([torch.zeros(1, dtype=torch.int64), lengths.long().cumsum(0)])
