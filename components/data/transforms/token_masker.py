"""Words of a caption hidden from a text tower, for it to say what stood there.

Source: Devlin et al. 2019, arXiv:1810.04805, section 3.1: of 15% of the tokens eight in ten become the mask, one in ten another token,
and one stays. Differs: vocabularies here have no mask token, and the padding's stands in for it: a tower hides padding and so has no other use
for it, and what is exported has no row more.
Axes: N texts, L tokens.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from components.contracts.batch import Texts
from components.contracts.errors import ConfigError

KEPT, CHANGED = 0.1, 0.1  # of what is chosen: left as it is, another token; the rest is hidden


@dataclass(frozen=True, slots=True, kw_only=True)
class Masked:
    """Texts with some of their words hidden.

    Args:
        texts: the same rows with other ids.
        chosen: bool [N L], where the old id is asked for.
    """

    texts: Texts
    chosen: Tensor


class TokenMasker:
    """Hides words by draws that it is given, so that ranks which draw for the whole batch hide what one process would.

    Args:
        vocabulary: ids there are, another token among them.
        mask: the id that stands for a hidden word.
        share: of the words, in (0, 1).
    """

    draws = 3  # numbers a token

    def __init__(self, vocabulary: int, mask: int = 0, share: float = 0.15) -> None:
        if not 0 < share < 1:
            raise ConfigError(
                f"mask_share is {share}, but some words must be hidden and some not. 0.15 is usual, 0.3 for short captions."
            )
        self.vocabulary, self.mask, self.share = vocabulary, mask, share

    def __call__(self, texts: Texts, drawn: Float[Tensor, "3 N L"]) -> Masked:
        """Return the texts masked. A text without a word has nothing chosen.

        Args:
            texts: as a batch has them.
            drawn: in [0, 1): what is chosen, what becomes of it, and which other token it becomes.
        """
        which, fate, other = drawn.to(texts.ids.device)
        chosen = words_of(texts.mask) & (which < self.share)
        hidden = torch.where(fate < 1 - KEPT - CHANGED, self.mask, texts.ids)
        changed = torch.where(fate >= 1 - CHANGED, (other * self.vocabulary).to(texts.ids.dtype), hidden)
        return Masked(texts=replace(texts, ids=torch.where(chosen, changed, texts.ids)), chosen=chosen)


def words_of(mask: Bool[Tensor, "N L"]) -> Bool[Tensor, "N L"]:
    """Return which tokens are of words: the real ones but the first and the last, which tokenizers here put around a text."""
    after = mask & (mask.cumsum(1) > 1)
    return after & (mask.flip(1).cumsum(1).flip(1) > 1)
