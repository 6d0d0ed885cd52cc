"""Texts that do not fit some pictures, as people said of a search's answers: each stands in a step beside its own picture alone.

Axes: M samples, N texts, B rows of a batch, L tokens.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from components.contracts.batch import Texts
from components.contracts.text_pick import NEGATIVE
from components.data.tokenizers import Vocabulary


@dataclass(frozen=True, slots=True, kw_only=True)
class Negatives:
    """What is known of M samples.

    Args:
        texts: all of them as tokens; None where there is none.
        starts: int [M + 1], where those of each sample begin, and where the last's end.
    """

    texts: Texts | None
    starts: Int[Tensor, "_"]

    @classmethod
    def of(cls, vocabulary: Vocabulary, keys: Sequence[str], negatives: Mapping[str, Sequence[str]]) -> "Negatives":
        """Return those of samples by key; of other keys nothing is kept."""
        said = [tuple(negatives.get(key, ())) for key in keys]
        texts = [text for its in said for text in its]
        starts = torch.tensor([0, *map(len, said)]).cumsum(0)
        return cls(texts=vocabulary(texts) if texts else None, starts=starts)

    def __len__(self) -> int:
        return int(self.starts[-1])

    def of_rows(self, rows: Int[Tensor, "B"]) -> dict[str, Texts]:
        """Return the texts of some samples under their name in a batch, each owned by a row of it; nothing where these have none."""
        if self.texts is None:
            return {}
        counts = self.starts[rows + 1] - self.starts[rows]
        if not int(counts.sum()):
            return {}
        places = torch.cat([torch.arange(int(self.starts[row]), int(self.starts[row + 1])) for row in rows.tolist()])
        ids, mask = self.texts.ids[places], self.texts.mask[places]
        width = int(mask.sum(1).max())
        owner = torch.arange(len(rows)).repeat_interleave(counts)
        return {NEGATIVE: Texts(ids=ids[:, :width], mask=mask[:, :width], owner=owner)}
