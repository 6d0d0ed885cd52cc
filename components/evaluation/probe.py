"""Linear probe: how well a linear classifier tells classes by features that stay as they are.

Source: Radford et al. 2021, arXiv:2103.00020, section 3.2 and appendix A.3 (logistic regression on frozen features, the
penalty swept on a validation part, then fitted again on both). Differs: features are standardised, the sweep is a grid,
and which features are read, before or after the projection, is chosen on the same validation part.
Golden: scikit-learn LogisticRegression, which it is.
Axes: N pictures, F features.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float

from components.contracts.errors import ConfigError
from components.contracts.evaluate import Metric, Tally
from components.contracts.evaluator import Downstream, Evaluator, Findings, Labelled, Space, Subject
from components.data.transforms.preprocess import Preprocess
from components.evaluation.bootstrap import mean_interval
from components.evaluation.labelled import over_sets

SPACE_MEANS: Mapping[str, str] = {
    "pooled": "the shared space", "features": "the image tower", "pixels": "grey pixels",
}  # fmt: skip
PIXELS = 16  # a side of the pictures that the baseline reads
ROUNDS = 2_000  # of the solver, at most; standardised features need a few dozen


class Probe(Evaluator):
    """Logistic regression on a downstream set.

    Chance is always saying the commonest class. The baseline is the same probe on grey pixels.

    Args:
        data: which set; `downstream.of_set.OfSet` for the one that is measured.
        spaces: features it may read; the best on the validation part is taken.
        penalties: C of scikit-learn, the inverse of the penalty; the best on the validation part is taken.

    Raises ConfigError when there is nothing to choose from, or a penalty is not above 0.
    """

    def __init__(
        self,
        data: Downstream,
        spaces: Sequence[Space] = ("pooled", "features"),
        penalties: Sequence[float] = (0.001, 0.01, 0.1, 1.0, 10.0),
    ) -> None:
        if not spaces:
            raise ConfigError("spaces is empty, so there is nothing to read. Name pooled, features or both.")
        if not penalties or min(penalties) <= 0:
            raise ConfigError(
                f"penalties is {list(penalties)}, but a penalty is above 0 and at least one is needed, such as [0.1, 1.0]."
            )
        self.data, self.spaces, self.penalties = data, tuple(spaces), tuple(penalties)

    def measure(self, subject: Subject) -> Findings:
        """Return `probe.<set>.top1` and a row a test picture; in `without`, why there are none."""
        return over_sets("probe", self.data, subject, lambda of, data: self._one(of, data, subject))

    @property
    def fits(self) -> bool:
        """Return whether what it fits on is the set that is measured."""
        return self.data.of_subject

    def _one(self, of: str, data: Labelled, subject: Subject) -> Findings:
        parts, labels = np.array(data.parts), np.array(data.labels)
        rows = subject.featured(data, self.spaces, f"encoding {of}")
        ours = probed(rows, labels, parts, self.penalties)
        subject.progress(f"fitting the probe of {of}", 1, 2)
        theirs = probed({"pixels": grey_pixels(data.pictures)}, labels, parts, self.penalties)
        subject.progress(f"fitting the probe of {of}", 2, 2)
        how = f"logistic regression on {SPACE_MEANS[ours.space]}, C {ours.penalty:g}, both chosen on a validation part"
        return answered(f"probe.{of}", of, data, ours.answers, theirs.answers, how, subject.seed)


def answered(
    name: str, of: str, data: Labelled, answers: np.ndarray, plain: np.ndarray, method: str, seed: int
) -> Findings:
    """Return `<name>.top1` with its interval, and a row a test picture.

    Args:
        name: what was asked of which set, such as `probe.digits`.
        of: the set's name.
        data: the set.
        answers: to each test picture.
        plain: the baseline's.
        method: how it was asked.
        seed: of the draws.
    """
    labels, tested = np.array(data.labels), np.array(data.parts) == "test"
    truth, keys = labels[tested], np.array(data.keys)[tested].tolist()
    about = np.array(data.groups or data.keys)[tested].tolist()
    classes, counts = np.unique(labels[~tested], return_counts=True)
    right = answers == truth
    low, high = mean_interval(right, about, seed)
    method = f"{method}; {data.told}" if data.told else method
    metric = Metric(
        name=f"{name}.top1", value=float(right.mean()), unit="fraction", better="up", n=len(truth),
        chance=float((truth == classes[counts.argmax()]).mean()), baseline=float((plain == truth).mean()), method=method, low=low, high=high,
        tallies=(Tally(rows=name, column="right"),), data=data.digest,
    )  # fmt: skip
    table = pa.table(
        {
            "set": [of] * len(truth), "query": keys, "group": about, "label": truth.tolist(), "answer": answers.tolist(),
            "baseline_answer": plain.tolist(), "right": right.tolist(),
        }
    )  # fmt: skip
    return Findings(metrics=(metric,), rows={name: table})


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What was chosen, and what it answers for each test picture."""

    space: str
    penalty: float
    answers: np.ndarray


def probed(
    rows: Mapping[Any, Float[np.ndarray, "N _"]], labels: np.ndarray, parts: np.ndarray, penalties: Sequence[float]
) -> Probed:
    """Choose space and penalty by the part `val`, fit on `train` and `val` with them, and answer for `test`.

    Of several that are equally good, the strongest penalty and the first space are taken. Test labels are never read.
    """
    fitted, chosen = parts == "train", parts == "val"
    best, space, penalty = -1.0, "", 0.0
    for c in sorted(penalties):
        for name, features in rows.items():
            model = logistic(features, labels, fitted, c)
            right = float((model.predict(features[chosen]) == labels[chosen]).mean())
            if right > best:
                best, space, penalty = right, name, c
    model = logistic(rows[space], labels, fitted | chosen, penalty)
    return Probed(space=space, penalty=penalty, answers=model.predict(rows[space][parts == "test"]))


def logistic(
    features: Float[np.ndarray, "N F"], labels: np.ndarray, used: Bool[np.ndarray, "N"], penalty: float
) -> Any:
    """Return scikit-learn's standardisation and logistic regression in one, fitted on the rows that are used."""
    from sklearn.linear_model import LogisticRegression  # seconds to import, which checking a recipe need not spend
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=ROUNDS))
    return model.fit(features[used], labels[used])


def grey_pixels(pictures: Sequence[bytes]) -> Float[np.ndarray, "N F"]:
    """Return grey values in [0, 1] of small copies of the pictures."""
    preprocess = Preprocess(size=PIXELS)
    return np.stack([preprocess(data).mean(0).ravel() / 255 for data in pictures]).astype(np.float32)
