"""How alike a picture and a text are, token by token: each patch looks for its best word, and each word for its best patch.

Source: Yao et al. 2021, arXiv:2111.07783, equations 3 to 5 (seed 19). Differs: nothing; the mean is over tokens, as there, and
not the sum of ColBERT.
Golden: the same by loops over pairs, value and gradient, float32, rtol 1e-5.
Axes: N pictures, M texts, or phrases, K patches, L words, D shared width.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import normalize

from components.contracts.directions import Directions
from components.contracts.errors import DataError


def max_sim(
    image: Float[Tensor, "N K D"], text: Float[Tensor, "M L D"], mask: Bool[Tensor, "M L"], chunk: int = 64
) -> Directions:
    """Return the two scores of each pair, in [-1, 1]; they are two matrices, and not transposes of each other.

    `image_to_text` [N M] is the mean over patches of the nearest word's cosine, `text_to_image` [M N] the mean over words of the
    nearest patch's. Normalises its rows itself; padding is neither found nor counted.

    Args:
        image: patches, without class and register tokens.
        text: words.
        mask: True where a word is real.
        chunk: pictures whose N x K x M x L cosines are there at once; it changes no score.

    Raises DataError for a text without a real word, of which there is no mean.
    """
    if not bool(mask.any(1).all()):
        row = int((~mask.any(1)).nonzero()[0])
        raise DataError(
            f"text {row} of the batch has no real token, so no patch can look for a word in it. Leave captions without words out "
            "(validate sets them aside as empty_caption)."
        )
    patches, words = normalize(image.float(), dim=-1), normalize(text.float(), dim=-1)
    padding, counts = ~mask, mask.sum(1)
    by_picture, by_text = [], []
    for part in patches.split(chunk):
        cosines = torch.einsum("nkd,mld->nkml", part, words)
        best_word = cosines.masked_fill(padding, -torch.inf).max(3).values
        by_picture.append(best_word.mean(1))
        best_patch = cosines.max(1).values
        by_text.append(best_patch.masked_fill(padding, 0).sum(2) / counts)
    return Directions(image_to_text=torch.cat(by_picture), text_to_image=torch.cat(by_text).T)


def nearest_patch(
    image: Float[Tensor, "N K D"], phrases: Float[Tensor, "M D"], chunk: int = 64
) -> Float[Tensor, "M N"]:
    """Return the cosine of each phrase, one vector each, with the nearest patch of each picture: a word's part of `max_sim`.

    A gradient reaches that patch alone. Normalises its rows itself.

    Args:
        image: patches, without class and register tokens.
        phrases: such as the means of the words of concepts.
        chunk: phrases whose N x K cosines are there at once; it changes no score.
    """
    patches, said = normalize(image.float(), dim=-1), normalize(phrases.float(), dim=-1)
    parts = [torch.einsum("nkd,md->mnk", patches, part).max(2).values for part in said.split(chunk)]
    return torch.cat(parts)
