"""What a difference would be if who is who were drawn anew in each group: models that are alike win and lose a group as often.

The bootstrap says too much where hardly any answers differ: of four that do, all in favour of one model, it draws hardly any difference below 0, and a coin
falls so one time in eight. So a difference must be rare among signs that are drawn, too.
Source: Fisher 1935, "The Design of Experiments", section 21 (the randomization test of paired differences); Pinelis 2012, "An asymptotically Gaussian bound on
the Rademacher tails": beyond what draws can tell, sums of signs reach as far as a normal with their variance, and further by a factor of 3.2 in how often at most.
Axes: G groups, R draws.
"""

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from jaxtyping import Float

from components.contracts.evaluate import CLOSE as CLOSE  # by which gate.py tells ties of these sums
from components.evaluation.blocks import signed_by_block
from components.evaluation.bootstrap import DRAWS, LARGE, TAIL_DRAWS


def signed(apart: Float[np.ndarray, "G"], seed: int | Sequence[int], draws: int = DRAWS) -> Float[np.ndarray, "R"]:
    """Return the sums over groups, each with a sign that is drawn: what is found of two models that are alike.

    Groups that give as much are drawn as one, by how many there are; where hardly two do, those that give about as much.

    Args:
        apart: what each group gives to the difference.
        seed: of the draws.
        draws: how many.
    """
    rng, found = np.random.default_rng(seed), np.zeros(draws)
    values, counts = np.unique(np.abs(apart[apart != 0]), return_counts=True)
    if len(values) > LARGE:
        return signed_by_block(apart, seed, draws)
    for value, count in zip(values, counts, strict=True):
        found += value * (2.0 * rng.binomial(count, 0.5, draws) - count)
    return found


def reach(apart: Float[np.ndarray, "G"], seed: int | Sequence[int], confidence: float) -> float:
    """Return how far the sum of what groups give lies from 0, either way, in so many cases at most where signs are drawn."""
    told = 1 - 2 * TAIL_DRAWS / DRAWS
    normal = NormalDist().inv_cdf((1 + confidence) / 2) * float(np.sqrt((apart**2).sum()))
    return max(float(np.quantile(np.abs(signed(apart, seed)), min(confidence, told))), normal)
