"""What tells the classes of an evaluation set by labelled pictures of it, where somebody asks for that by a word."""

from collections.abc import Mapping, Sequence
from typing import Literal

from components.contracts.evaluator import Evaluator, Space
from components.data.evaluation_set import LABEL
from components.evaluation.downstream.of_set import OfSet
from components.evaluation.few_shot import FewShot
from components.evaluation.knn import Neighbours
from components.evaluation.probe import Probe

Fit = Literal["probe", "knn", "few_shot"]


def fitted(fits: Sequence[Fit], spaces: Sequence[Space]) -> list[Evaluator]:
    """Return what was asked for, in its order.

    Args:
        fits: in words.
        spaces: that the model gives; what is packaged gives the shared space alone.
    """
    data = OfSet(LABEL)
    known: Mapping[Fit, Evaluator] = {
        "probe": Probe(data, spaces), "knn": Neighbours(data, spaces), "few_shot": FewShot(data, space=spaces[0])
    }  # fmt: skip
    return [known[fit] for fit in fits]
