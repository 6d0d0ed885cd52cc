"""How much each token of a picture weighs, by how far a prior believes in it: all go on, the believed ones as more.

Source: Pan et al. 2024, arXiv:2405.10160 (PriorCLIP, seed 44), and jaychempan/PIR-CLIP, the open domain. Differs: a rank is how many tokens
are believed in more. The released code makes its rank weights of the positions that sorting returns, which are places in the picture and no
ranks; one snapshot of it computes them and adds the beliefs twice in their place, which is `none` here.
Axes: N pictures, L tokens, F features.
"""

from typing import Literal

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from components.models.belief_filter import agreement

RankWeight = Literal["true_rank", "none"]


def rank(scores: Float[Tensor, "N L"]) -> Int[Tensor, "N L"]:
    """Return how many of a row are higher than each: 0 is the highest, and equals share a rank."""
    return (scores[:, None, :] > scores[:, :, None]).sum(-1)


def weighed(
    tokens: Float[Tensor, "N L F"], prior: Float[Tensor, "N 1 F"], rank_weight: RankWeight = "true_rank"
) -> Float[Tensor, "N L F"]:
    """Return each token times its belief, or its belief + 1 / √(rank + 1), every feature of unit length over the tokens of its picture.

    Over the features of a token instead, unit length would take back what the token was multiplied by, whatever a prior believes.
    """
    scores = agreement(tokens, prior)
    weight = scores.softmax(-1)
    if rank_weight == "true_rank":
        weight = weight + (rank(scores) + 1).float().rsqrt()
    return normalize(tokens * weight[..., None], dim=1)
