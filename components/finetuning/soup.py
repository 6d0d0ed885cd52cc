"""A greedy soup: the mean of several tunings of one start, each of which is taken in only where it does no harm on the validation split.

Source: Wortsman et al. 2022, arXiv:2203.05482, recipe 1 (candidates by their score, the best first; the mean is kept where it is no worse). Differs:
candidates are the ways of a race and not settings of one; whoever asks says what weights are scored by.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from components.contracts.errors import ConfigError
from components.finetuning.interpolate import Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Souped:
    """What came of it.

    Args:
        names: of what was taken in, the best first.
        score: of their mean.
        weights: their mean.
    """

    names: tuple[str, ...]
    score: float
    weights: Mapping[str, Tensor] = field(compare=False)


def greedy(
    candidates: Sequence[tuple[str, float, Weights]], score_of: Callable[[Weights], float], within: float = 0.0
) -> Souped:
    """Return the soup of candidates.

    Args:
        candidates: name, score and weights of each, one or more; the first of equals goes first.
        score_of: of weights, on the validation split, higher is better.
        within: what is less by so much is no worse.

    Raises ConfigError for candidates with tensors of different names.
    """
    best_first = sorted(candidates, key=lambda one: -one[1])
    name, score, weights = best_first[0]
    taken, soup, names = [weights], weights, [name]
    for name, _, weights in best_first[1:]:
        tried = mean([*taken, weights])
        if (with_it := score_of(tried)) >= score - within:
            taken, soup, score = [*taken, weights], tried, with_it
            names.append(name)
    return Souped(names=tuple(names), score=score, weights=soup)


def mean(several: Sequence[Weights]) -> dict[str, Tensor]:
    """Return the mean of weights, taken in float64; whole numbers, such as batch norm's count of batches, are those of the first."""
    first = several[0]
    if differ := next((other.keys() ^ first.keys() for other in several if other.keys() != first.keys()), None):
        raise ConfigError(
            f"{min(differ)} is in some of the weights and not in others, so they have no mean. A soup is of tunings that add nothing to the model."
        )
    return {
        name: torch.stack([its[name].double() for its in several]).mean(0).to(value.dtype) if value.is_floating_point() else value.clone()
        for name, value in first.items()
    }  # fmt: skip
