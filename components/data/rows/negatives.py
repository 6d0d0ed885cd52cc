"""Texts that do not fit some pictures, as people said of a search's answers: each stands in a step beside its own picture alone.

Axes: M samples, N texts, B rows of a batch, L tokens.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn.functional import pad

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

    def of_part(self, rows: Int[Tensor, "B"], part: slice) -> dict[str, Texts]:
        """Return the texts of a part of a batch under their name in it, each owned by a row of the part; nothing where the batch has none.

        Every part has as many, so that ranks encode in step, whose weights may be split: what fills one up is owned by row B, which is no
        sample of any rank's.
        """
        if self.texts is None:
            return {}
        counts = self.starts[rows + 1] - self.starts[rows]
        most = int(counts.view(-1, part.stop - part.start).sum(1).max())
        if not most:
            return {}
        ours = counts[part]
        places = torch.cat(
            [torch.arange(int(self.starts[row]), int(self.starts[row + 1])) for row in rows[part].tolist()]
        )
        fill = (0, most - len(places))
        places, owner = pad(places, fill), pad(torch.arange(len(ours)).repeat_interleave(ours), fill, value=len(rows))
        ids, mask = self.texts.ids[places], self.texts.mask[places]
        width = int(mask.sum(1).max())
        return {NEGATIVE: Texts(ids=ids[:, :width], mask=mask[:, :width], owner=owner)}
