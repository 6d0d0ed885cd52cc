"""Captions as tokens, one after the other without padding, so that short ones take little room.

Axes: M samples, K captions of all samples, T tokens of all captions, B rows, L tokens of the longest of them.
"""

from collections.abc import Sequence
from itertools import chain, islice

import torch
from jaxtyping import Int
from torch import Tensor

from components.contracts.batch import Texts
from components.data.tokenizers import Vocabulary

_AT_ONCE = 8192  # captions tokenised at once: padded rows of many more would not fit beside a model


class Captions:
    """The captions of every sample.

    Args:
        vocabulary: makes tokens of them; its padding is id 0, at the right.
        captions: those of each sample, at least one.
    """

    def __init__(self, vocabulary: Vocabulary, captions: Sequence[Sequence[str]]) -> None:
        texts, tokens, lengths = chain.from_iterable(captions), [], []
        while some := list(islice(texts, _AT_ONCE)):
            padded = vocabulary(some)
            tokens.append(padded.ids[padded.mask].int())
            lengths.append(padded.mask.sum(1))
        self.tokens = torch.cat(tokens)  # (T,)
        self.begin = ends(torch.cat(lengths))  # (K + 1,), of each caption among the tokens
        self.first = ends(torch.tensor([len(own) for own in captions]))  # (M + 1,), of each sample among the captions

    def lengths(self) -> list[int]:
        """Return the tokens of the longest caption of each sample."""
        each = self.begin.diff()
        return [int(own.max()) for own in each.split(self.first.diff().tolist())]

    def choose(self, rows: Int[Tensor, "B"], draw: torch.Generator) -> Int[Tensor, "B"]:
        """Return the number of one caption of each sample, drawn evenly."""
        kinds = self.first[rows + 1] - self.first[rows]
        return self.first[rows] + (torch.rand(len(rows), generator=draw) * kinds).long()

    def texts(self, chosen: Int[Tensor, "B"]) -> Texts:
        """Return captions by number, [B L], no wider than the longest."""
        length = self.begin[chosen + 1] - self.begin[chosen]
        place = torch.arange(int(length.max()))
        mask = place < length[:, None]
        found = self.tokens[(self.begin[chosen][:, None] + place).clamp(max=len(self.tokens) - 1)]
        return Texts(ids=torch.where(mask, found.long(), 0), mask=mask)


def ends(lengths: Int[Tensor, "N"]) -> Int[Tensor, "N+1"]:
    """Return where each of N pieces begins when they lie one after the other, and where the last ends."""
    return torch.cat([torch.zeros(1, dtype=torch.int64), lengths.long().cumsum(0)])
