"""Few-shot: how well classes are told after a few labelled pictures of each.

Source: Radford et al. 2021, arXiv:2103.00020, section 3.1.5 (logistic regression on frozen features of 1 to 16 pictures a class, the mean of
several draws). Differs: features are standardised by the drawn pictures, and the penalty is fixed, since a validation part would be more labelled pictures.
Golden: scikit-learn LogisticRegression, which it is.
Axes: N pictures, L classes.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from jaxtyping import Bool

from components.contracts.errors import ConfigError
from components.contracts.evaluate import Metric, Tally
from components.contracts.evaluator import Downstream, Evaluator, Findings, Labelled, Space, Subject
from components.evaluation.bootstrap import mean_interval
from components.evaluation.labelled import over_sets
from components.evaluation.probe import SPACE_MEANS, grey_pixels, logistic


class FewShot(Evaluator):
    """Accuracy of a probe that saw so many pictures a class, drawn from those to fit on; the mean of several draws.

    Chance is one of the classes. The baseline is the same probe on grey pixels of the same pictures.

    Args:
        data: which set; `downstream.of_set.OfSet` for the one that is measured.
        shots: pictures a class; those that a class has not are said in `without`.
        draws: how often pictures are drawn.
        space: the features that are read.
        penalty: C of scikit-learn, the inverse of the penalty.

    Raises ConfigError for numbers out of range.
    """

    def __init__(
        self,
        data: Downstream,
        shots: Sequence[int] = (1, 2, 4, 8, 16),
        draws: int = 5,
        space: Space = "pooled",
        penalty: float = 1.0,
    ) -> None:
        if not shots or min(shots) < 1 or len(set(shots)) < len(shots):
            raise ConfigError(
                f"shots is {list(shots)}, but each says how many pictures a class are drawn, once. 1, 2, 4, 8 and 16 are usual."
            )
        if draws < 1 or not penalty > 0:
            raise ConfigError(
                f"draws is {draws} and penalty is {penalty}. Draw at least once, such as 5 times, with a penalty above 0, such as 1."
            )
        self.data, self.shots, self.draws, self.space, self.penalty = data, tuple(shots), draws, space, penalty

    def measure(self, subject: Subject) -> Findings:
        """Return `few_shot.<set>.shots_<k>.top1` and a row an answer."""
        return over_sets("few_shot", self.data, subject, lambda of, data: self._one(of, data, subject))

    @property
    def fits(self) -> bool:
        """Return whether what it draws from is the set that is measured."""
        return self.data.of_subject

    def _one(self, of: str, data: Labelled, subject: Subject) -> Findings:
        name, parts, labels = f"few_shot.{of}", np.array(data.parts), np.array(data.labels)
        features = subject.featured(data, (self.space,), f"encoding {of}")[self.space]
        pixels, tested = grey_pixels(data.pictures), parts == "test"
        classes, counts = np.unique(labels[parts == "train"], return_counts=True)
        metrics, tables, without = [], [], {}
        for shots in self.shots:
            if counts.min() < shots:
                fewest = f"{classes[counts.argmin()]!r} has {counts.min()} pictures to draw from"
                without[f"{name}.shots_{shots}"] = f"the class {fewest}, fewer than {shots}"
                continue
            for draw in range(self.draws):
                fitted = drawn(labels, parts == "train", shots, np.random.default_rng((subject.seed, shots, draw)))
                ours, theirs = (
                    logistic(rows, labels, fitted, self.penalty).predict(rows[tested]) for rows in (features, pixels)
                )
                tables.append(_rows(of, shots, draw, data, tested, (ours, theirs)))
                subject.progress(f"fitting {shots} a class of {of}", draw + 1, self.draws)
            kept = pa.concat_tables(tables[-self.draws :])
            metrics.append(self._metric(name, shots, kept, len(classes), data, subject.seed))
        return Findings(
            metrics=tuple(metrics), rows={name: pa.concat_tables(tables)} if tables else {}, without=without
        )

    def _metric(self, name: str, shots: int, kept: pa.Table, classes: int, data: Labelled, seed: int) -> Metric:
        right, plain = (kept[column].to_numpy() for column in ("right", "baseline_right"))
        low, high = mean_interval(right, kept["group"].to_pylist(), seed)
        return Metric(
            name=f"{name}.shots_{shots}.top1", value=float(right.mean()), unit="fraction", better="up", n=len(right) // self.draws,
            chance=1 / classes, baseline=float(plain.mean()), low=low, high=high, data=data.digest,
            method=f"logistic regression on {SPACE_MEANS[self.space]}, C {self.penalty:g}, {shots} pictures a class; mean of {self.draws} draws{f'; {data.told}' if data.told else ''}",
            tallies=tuple(Tally(rows=name, where={"shots": shots, "draw": draw}, column="right") for draw in range(self.draws)),
        )  # fmt: skip


def _rows(
    of: str,
    shots: int,
    draw: int,
    data: Labelled,
    tested: Bool[np.ndarray, "N"],
    answers: tuple[np.ndarray, np.ndarray],
) -> pa.Table:
    """Return a row a test picture of one draw; `answers` are ours and the baseline's."""
    keys, about, truth = (np.array(one)[tested] for one in (data.keys, data.groups or data.keys, data.labels))
    ours, theirs = answers
    return pa.table(
        {
            "set": [of] * len(keys), "shots": pa.array([shots] * len(keys), pa.int32()),
            "draw": pa.array([draw] * len(keys), pa.int32()), "query": keys.tolist(), "group": about.tolist(), "label": truth.tolist(),
            "answer": ours.tolist(), "baseline_answer": theirs.tolist(), "right": (ours == truth).tolist(),
            "baseline_right": (theirs == truth).tolist(),
        }
    )  # fmt: skip


def drawn(
    labels: np.ndarray, among: Bool[np.ndarray, "N"], shots: int, rng: np.random.Generator
) -> Bool[np.ndarray, "N"]:
    """Return which are drawn: so many of each class, each as likely."""
    taken = np.zeros(len(labels), np.bool_)
    for label in np.unique(labels[among]):
        taken[rng.choice(np.flatnonzero(among & (labels == label)), shots, replace=False)] = True
    return taken
