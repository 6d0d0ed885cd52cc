"""How alike a picture and a text are, word by word, where one patch may serve so many words at the most.

Source: Nie et al. 2023, arXiv:2312.00674 (seed 52), whose abstract has token-level alignment by relaxed bipartite matching; what is
relaxed is inferred, since no more of it was there to read: capacity 1 is the matching itself, no capacity the best patch of each word,
as Yao et al. 2021, arXiv:2111.07783, equation 5, have it. With a temperature a word is shared out over patches, as Cuturi 2013,
arXiv:1306.0895, does it.
Golden: POT, whose transport plan fills patches of that capacity, value and gradient, float32, rtol 1e-5; scipy where capacity is 1.
Axes: N pictures, M texts, P pairs, K patches, L words, D shared width.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from components.contracts.errors import DataError
from components.objectives.sinkhorn import transport

STEPS = 50  # of a plan; at a temperature of 0.05 patches have then what they may, to some hundredths of a word


def token_match(
    image: Float[Tensor, "N K D"],
    text: Float[Tensor, "M L D"],
    mask: Bool[Tensor, "M L"],
    capacity: int | None = None,
    matched: Bool[Tensor, "M N"] | None = None,
    temperature: float | None = None,
    chunk: int = 64,
) -> Float[Tensor, "M N"]:
    """Return the score of each text with each picture, in [-1, 1]: the mean over its words of the cosine to the patch each is given.

    Normalises its rows itself; padding is given nothing and not counted.

    Args:
        image: patches, without class and register tokens.
        text: words.
        mask: True where a word counts.
        capacity: words of a text that one patch may be given to, as of `assigned`.
        matched: pairs to which the capacity holds; in all others each word has its best patch, which costs far less. None is all.
        temperature: of a word's shares, by which it goes to several patches while they have room; None gives it to one. It spares the
            way to a CPU that an exact matching takes from a GPU.
        chunk: pictures whose N x K x M x L cosines are there at once; it changes no score.

    Raises DataError for a text without a word that counts, ConfigError for a temperature that is not above 0.
    """
    if not bool(mask.any(1).all()):
        row = int((~mask.any(1)).nonzero()[0])
        raise DataError(
            f"text {row} of the batch has no word that counts, so nothing of it can be matched. Leave captions without words out "
            "(validate sets them aside as empty_caption)."
        )
    patches, words = normalize(image.float(), dim=-1), normalize(text.float(), dim=-1)
    counts, scores = mask.sum(1), []
    for part in patches.split(chunk):
        best = torch.einsum("nkd,mld->nkml", part, words).amax(1)
        scores.append((best.masked_fill(~mask, 0).sum(2) / counts).T)
    free = torch.cat(scores, 1)
    if capacity is None:
        return free
    texts, pictures = (torch.ones_like(free, dtype=torch.bool) if matched is None else matched).nonzero(as_tuple=True)
    cosines = words[texts] @ patches[pictures].transpose(1, 2)  # (P L K)
    if temperature is None:
        given = assigned(cosines, mask[texts], capacity)
        kept = cosines.gather(2, given[..., None])[..., 0].masked_fill(~mask[texts], 0)
    else:
        kept = (shared_out(cosines, mask[texts], capacity, temperature) * cosines).sum(2)
    return free.index_put((texts, pictures), kept.sum(1) / counts[texts])


@torch.no_grad()
def assigned(
    cosines: Float[Tensor, "P L K"], mask: Bool[Tensor, "P L"], capacity: int | None = None
) -> Int[Tensor, "P L"]:
    """Return the patch that each word is given, so that the sum of a pair's cosines is the largest; padding has patch 0.

    Args:
        cosines: of each word to each patch of its pair.
        mask: True where a word counts.
        capacity: words that one patch may be given to; None is any number. A text that has more words than there is room for
            has it raised by the least that makes room.
    """
    best = cosines.argmax(2).masked_fill(~mask, 0)
    if capacity is None:
        return best
    patches = cosines.shape[2]
    load = torch.zeros(len(best), patches, dtype=torch.int64, device=best.device).scatter_add_(1, best, mask.long())
    for pair in (load > capacity).any(1).nonzero()[:, 0].tolist():  # elsewhere each has its best already
        real = mask[pair]
        room = max(capacity, -(-int(real.sum()) // patches))
        best[pair, real] = _matching(cosines[pair, real], room)
    return best


def shared_out(
    cosines: Float[Tensor, "P L K"], mask: Bool[Tensor, "P L"], capacity: int, temperature: float
) -> Float[Tensor, "P L K"]:
    """Return how much of each word each patch is given, without gradient: of a word 1 in all, of padding 0.

    Args:
        cosines: of each word to each patch of its pair.
        mask: True where a word counts.
        capacity: words that one patch may be given, in parts, nearly; raised where there is no room, as by `assigned`.
        temperature: of the shares, as of `transport`.
    """
    words, patches = mask.sum(1), cosines.shape[2]
    room = (-(-words // patches)).clamp(min=capacity)
    nobody = (room * patches - words)[:, None]  # what is left over goes to a word that fits everywhere alike
    fit = torch.nn.functional.pad(cosines.detach(), (0, 0, 0, 1))
    rows = torch.cat([mask, nobody], 1).float()
    return transport(fit, rows, room[:, None].expand(-1, patches).float(), temperature, STEPS)[:, :-1]


def _matching(cosines: Float[Tensor, "L K"], capacity: int) -> Int[Tensor, " L"]:
    """Return the patch of each word: the assignment to places, of which each patch has `capacity`."""
    from scipy.optimize import linear_sum_assignment  # a tenth of a second to import, for few

    value = np.nan_to_num(cosines.cpu().double().numpy())  # what is no number is for the guards, and not for scipy
    _, place = linear_sum_assignment(np.repeat(value, capacity, axis=1), maximize=True)
    return torch.from_numpy(place // capacity).to(cosines.device)
