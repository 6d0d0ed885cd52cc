"""Which tokens of a batch say most: so many of each picture and of each text, those that fit anything on the other side best.

Source: Yao et al. 2021, arXiv:2111.07783, section 3.2 (seed 19): a quarter, before anything is sent to other ranks. Differs: nothing.
Axes: N pictures, M texts, K patches and L words of each, of which P and Q are kept, D shared width.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import normalize

Picked = tuple[Float[Tensor, "N P D"], Float[Tensor, "M Q D"], Bool[Tensor, "M Q"]]


def picked(
    image: Float[Tensor, "N K D"],
    text: Float[Tensor, "M L D"],
    mask: Bool[Tensor, "M L"],
    share: float,
    chunk: int = 64,
) -> Picked:
    """Return the share of the tokens of each row, at least one, in their order; no gradient goes through the choice.

    A text with fewer real words than that keeps its padding, which the mask that comes back says.

    Args:
        share: of K, and of L, in (0, 1].
        chunk: pictures whose cosines are there at once.
    """
    with torch.no_grad():
        patches, words = normalize(image.float(), dim=-1), normalize(text.float(), dim=-1)
        of_patch, of_word = [], words.new_full(mask.shape, -torch.inf)
        for part in patches.split(chunk):
            cosines = torch.einsum("nkd,mld->nkml", part, words)
            of_patch.append(cosines.masked_fill(~mask, -torch.inf).amax((2, 3)))
            of_word = torch.maximum(of_word, cosines.amax((0, 1)))
        patch_rows = _best(torch.cat(of_patch), share)
        word_rows = _best(of_word.masked_fill(~mask, -torch.inf), share)
    return _taken(image, patch_rows), _taken(text, word_rows), mask.gather(1, word_rows)


def _best(scores: Float[Tensor, "R T"], share: float) -> Tensor:
    count = max(1, round(share * scores.shape[1]))
    return scores.topk(count, dim=1).indices.sort(1).values


def _taken(tokens: Tensor, rows: Tensor) -> Tensor:
    return tokens.gather(1, rows[..., None].expand(-1, -1, tokens.shape[-1]))
