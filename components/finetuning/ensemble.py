"""How far to go from the pre-trained weights to the tuned ones: tried on the validation split, the best taken.

Source: Wortsman et al. 2021, arXiv:2109.01903, section 3. Differs: the paper shows all alphas and recommends 0.5 without looking;
here the validation split chooses, and of equals the one nearest to the pre-trained weights.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import nn

from components.contracts.progress import Progress
from components.finetuning.interpolate import Weights, interpolate
from components.models.grown import begun
from components.training.callbacks import Watch

ENDS = (0.0, 1.0)  # measured always, so that everybody sees what tuning alone did


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensembled:
    """What was tried and what was taken.

    Args:
        alpha: that was taken.
        tried: alpha -> what the watch says of it, by name; the two ends are among them.
        grid: the alphas there was a choice of.
    """

    alpha: float
    tried: Mapping[float, Mapping[str, float]]
    grid: tuple[float, ...]


def ensemble(
    model: nn.Module, pretrained: Weights, alphas: Sequence[float], watch: Watch, progress: Progress
) -> Ensembled:
    """Score the model at every alpha, leave in it the weights of the best, and return what was seen.

    Args:
        model: tuned; changed in place.
        pretrained: its weights before; where tuning added parts to it, their ratio is nought there.
        alphas: the choice; a single one is taken unseen.
        watch: scores the model; the mean of its numbers decides, higher is better.
    """
    tuned = {name: value.detach().clone() for name, value in model.state_dict().items()}
    pretrained = begun(pretrained, tuned)
    tried: dict[float, Mapping[str, float]] = {}
    looked_at = sorted({*alphas, *ENDS})
    for done, alpha in enumerate(looked_at, 1):
        model.load_state_dict(interpolate(pretrained, tuned, alpha))
        model.eval()
        with torch.no_grad():
            tried[alpha] = watch(model)
        progress("choosing alpha", done, len(looked_at), alpha=alpha, score=score(tried[alpha]))
    best = max(sorted(set(alphas)), key=lambda alpha: score(tried[alpha]))  # the first of equals is the smallest
    model.load_state_dict(interpolate(pretrained, tuned, best))
    return Ensembled(alpha=best, tried=tried, grid=tuple(sorted(set(alphas))))


def score(seen: Mapping[str, float]) -> float:
    """Return what alphas are compared by: the mean of what the watch says."""
    return fmean(seen.values())
