"""Nearest neighbours: how well classes are told by the labelled pictures that lie nearest, with nothing fitted at all.

Source: Wu et al. 2018, arXiv:1805.01978, section 3.4 (the k nearest by cosine vote, each with exp of its cosine over 0.07), as in Caron et al. 2021,
arXiv:2104.14294, section 4.1. Differs: k and which features are read, before or after the projection, are chosen on a validation part.
Golden: scikit-learn KNeighborsClassifier, which it is.
Axes: N pictures, F features, K neighbours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from components.contracts.errors import ConfigError
from components.contracts.evaluator import Downstream, Evaluator, Findings, Labelled, Space, Subject
from components.evaluation.labelled import over_sets
from components.evaluation.probe import SPACE_MEANS, answered, grey_pixels

TEMPERATURE = 0.07


class Neighbours(Evaluator):
    """A vote of the nearest labelled pictures on a downstream set.

    Chance is always saying the commonest class. The baseline is the same vote by grey pixels.

    Args:
        data: which set; `downstream.of_set.OfSet` for the one that is measured.
        spaces: features it may read; the best on the validation part is taken.
        ks: how many neighbours may vote; the best on the validation part is taken. Those that are more than the pictures to vote are left out.

    Raises ConfigError when there is nothing to choose from, or every k is more than there are pictures.
    """

    def __init__(
        self,
        data: Downstream,
        spaces: Sequence[Space] = ("pooled", "features"),
        ks: Sequence[int] = (1, 5, 10, 20, 100),
    ) -> None:
        if not spaces:
            raise ConfigError("spaces is empty, so there is nothing to read. Name pooled, features or both.")
        if not ks or min(ks) < 1:
            raise ConfigError(f"ks is {list(ks)}, but one neighbour at least has to vote. 10 and 20 are usual.")
        self.data, self.spaces, self.ks = data, tuple(spaces), tuple(ks)

    def measure(self, subject: Subject) -> Findings:
        """Return `knn.<set>.top1` and a row a test picture; in `without`, why there are none."""
        return over_sets("knn", self.data, subject, lambda of, data: self._one(of, data, subject))

    @property
    def fits(self) -> bool:
        """Return whether those that vote are of the set that is measured."""
        return self.data.of_subject

    def _one(self, of: str, data: Labelled, subject: Subject) -> Findings:
        parts, labels = np.array(data.parts), np.array(data.labels)
        rows = subject.featured(data, self.spaces, f"encoding {of}")
        ours = voted(rows, labels, parts, self.ks)
        theirs = voted({"pixels": grey_pixels(data.pictures)}, labels, parts, self.ks)
        how = f"a vote of the {ours.k} nearest by {SPACE_MEANS[ours.space]}, both chosen on a validation part"
        return answered(f"knn.{of}", of, data, ours.answers, theirs.answers, how, subject.seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Voted:
    """What was chosen, and what it answers for each test picture."""

    space: str
    k: int
    answers: np.ndarray


def voted(
    rows: Mapping[Any, Float[np.ndarray, "N _"]], labels: np.ndarray, parts: np.ndarray, ks: Sequence[int]
) -> Voted:
    """Choose space and k by the part `val`, and answer for `test` by `train` and `val` together; of equals the first space and k are taken.

    Test labels are never read. ConfigError when every k is more than the pictures of `train`.
    """
    known, chosen = parts == "train", parts == "val"
    usable = [k for k in ks if k <= known.sum()]
    if not usable:
        raise ConfigError(
            f"ks is {list(ks)}, but there are {int(known.sum())} pictures to vote. Name one that is not more, such as 1."
        )
    best, space, most = -1.0, "", 0
    for name, features in rows.items():
        for k in usable:
            right = float((vote(features, labels, known, chosen, k) == labels[chosen]).mean())
            if right > best:
                best, space, most = right, name, k
    return Voted(space=space, k=most, answers=vote(rows[space], labels, known | chosen, parts == "test", most))


def vote(
    features: Float[np.ndarray, "N F"], labels: np.ndarray, known: Bool[np.ndarray, "N"], asked: Bool[np.ndarray, "N"], k: int
) -> np.ndarray:  # fmt: skip
    """Return the class that the k nearest known pictures give to each that is asked for."""
    from sklearn.neighbors import KNeighborsClassifier  # seconds to import, which checking a recipe need not spend

    model = KNeighborsClassifier(n_neighbors=k, metric="cosine", algorithm="brute", weights=_weights)
    answers: np.ndarray = model.fit(features[known], labels[known]).predict(features[asked])
    return answers


def _weights(distances: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "N K"]:
    return np.exp((1 - distances) / TEMPERATURE)
