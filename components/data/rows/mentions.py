"""Where concepts stand in the captions of a step, as tokens.

Source: Nie et al. 2025, arXiv:2501.15579 (ConceptCLIP), whose spans are tokens of the training tokenizer. Differs: places stay
characters until a vocabulary is there, so that another one reads the same data.
Axes: P captions of all samples, Q places of all captions, R captions of a batch, S spans of a batch.
"""

from collections.abc import Sequence
from itertools import chain, islice

import torch
from jaxtyping import Int
from torch import Tensor

from components.contracts.batch import Spans
from components.contracts.errors import ConfigError, DataError
from components.contracts.long_captions import LongCaptions
from components.contracts.text_pick import Place
from components.data.mentions import LINK
from components.data.rows.captions import ends
from components.data.rows.pairs import Pairs
from components.data.tokenizers import Vocabulary

_AT_ONCE = 8192  # captions tokenised at once

Places = Sequence[Sequence[Sequence[Place]]]
"""Of each sample, of each of its captions."""


class Mentions:
    """The mentions of every caption, as tokens.

    Args:
        vocabulary: makes tokens of the captions.
        captions: those of each sample, as training numbers them.
        places: of each caption. One that is cut off, even in part, is left out, and counted in `cut`.
    """

    def __init__(self, vocabulary: Vocabulary, captions: Sequence[Sequence[str]], places: Places) -> None:
        each = zip(chain.from_iterable(captions), chain.from_iterable(places), strict=True)
        spans, count, self.cut = list[tuple[int, int]](), list[int](), 0
        while some := list(islice(each, _AT_ONCE)):
            for found in vocabulary.spans(*map(list, zip(*some, strict=True))):  # type: ignore[arg-type]  # texts and places
                own = [span for span in found if span is not None]
                spans += own
                count.append(len(own))
                self.cut += len(found) - len(own)
        self.tokens = torch.tensor(spans, dtype=torch.int64).reshape(-1, 2)  # (Q, 2)
        self.begin = ends(torch.tensor(count))  # (P + 1,), of each caption among the places

    @classmethod
    def of(
        cls, vocabulary: Vocabulary, pairs: Pairs, captions: Sequence[Sequence[str]], long: LongCaptions
    ) -> "Mentions":
        """Return those of a selection's captions, or of some of them.

        Raises ConfigError where captions are taken apart, DataError where nobody looked for mentions.
        """
        if long != "truncate":
            raise ConfigError(
                f"long_captions is {long}, but mentions are places in whole captions. Set training.long_captions to truncate."
            )
        if not pairs.mentions:
            raise DataError(f"no caption says where concepts stand in it. {LINK}.")
        known = [dict(zip(*own, strict=False)) for own in zip(pairs.captions, pairs.mentions, strict=True)]
        return cls(
            vocabulary, captions, [[of.get(text, ()) for text in own] for own, of in zip(captions, known, strict=True)]
        )

    def spans(self, chosen: Int[Tensor, "R"]) -> Spans:
        """Return those of captions by number."""
        count = self.begin[chosen + 1] - self.begin[chosen]
        row = torch.arange(len(chosen)).repeat_interleave(count)
        before = (count.cumsum(0) - count)[row]
        first, last = self.tokens[self.begin[chosen][row] + torch.arange(len(row)) - before].unbind(1)
        return Spans(row=row, first=first, last=last)
