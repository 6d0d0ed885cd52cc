"""Which tokens of a picture a prior believes in: those alone go on.

Source: Pan et al. 2023, jaychempan/PIR, and arXiv:2405.10160 (PriorCLIP, seed 44), the filter of the closed domain. Differs: nothing.
Axes: N pictures, L tokens, K of them that stay, F features.
"""

from jaxtyping import Float
from torch import Tensor


def agreement(tokens: Float[Tensor, "N L F"], prior: Float[Tensor, "N 1 F"]) -> Float[Tensor, "N L"]:
    """Return the product of each token with a prior: the higher, the more it is believed in."""
    return (tokens @ prior.transpose(1, 2)).squeeze(-1)


def belief(tokens: Float[Tensor, "N L F"], prior: Float[Tensor, "N 1 F"]) -> Float[Tensor, "N L"]:
    """Return how far a prior believes in each token: shares, by their product with it."""
    return agreement(tokens, prior).softmax(-1)


def believed(tokens: Float[Tensor, "N L F"], prior: Float[Tensor, "N 1 F"], keep: float) -> Float[Tensor, "N K F"]:
    """Return a share of the tokens, those that are believed in most and the first most of all; one at least."""
    count = max(1, round(keep * tokens.shape[1]))
    place = belief(tokens, prior).topk(count, dim=1).indices
    return tokens.gather(1, place[..., None].expand(-1, -1, tokens.shape[-1]))
