"""Concept bottleneck: how well classes are told by nothing but how near a picture is to a few named concepts.

Source: Koh et al. 2020, arXiv:2007.04612 (a linear head that sees concept scores alone) and Yang et al. 2023, arXiv:2211.11158 (scores
are cosines with the concepts' texts), as in Nie et al. 2025, arXiv:2501.15579. Differs: the head is a logistic regression on standardised
scores, and its weights are free, where Yang et al. have them sum to 1 over concepts.
Golden: scikit-learn LogisticRegression, which it is.
Axes: I pictures of a pool, C concepts, L classes, R draws.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float

from components.contracts.errors import ConfigError
from components.contracts.evaluate import Metric, Tally
from components.contracts.evaluator import Evaluator, Findings, Pictures, Subject
from components.evaluation.bootstrap import mean_interval
from components.evaluation.concepts import check_template, cosines, things
from components.evaluation.probe import grey_pixels, logistic
from components.evaluation.prompts import PLACE

STRONGEST = 3  # concepts that are said to make a class


class Bottleneck(Evaluator):
    """Accuracy of a linear head on concept scores, fitted on a few labelled pictures of a split and asked of all its others.

    A class is a group of a label, or is made of the things in a picture by `classes`. Pictures are drawn several times, at least one of
    each class, and the mean is taken. Chance is always saying the commonest class of the drawn. The baseline is the same head on grey pixels.

    Args:
        label: whose groups are told apart, such as `category`; or
        classes: each with the things of which a picture has one at least, `{urgent: [star, cross]}`; the first class that fits is the
            picture's, and an empty list, in the last place, fits every picture.
        concepts: what the head sees, each by its name; none takes what the regions of all splits are called.
        labelled: pictures that are drawn and fitted on.
        draws: how often.
        penalty: C of scikit-learn, the inverse of the penalty.
        template: the text of a concept, with one {} for its name.

    Raises ConfigError for neither or both of label and classes, for classes that cannot be told apart, for fewer labelled pictures than
    classes, and for numbers out of range.
    """

    def __init__(
        self,
        label: str | None = None,
        classes: Sequence[Mapping[str, Sequence[str]]] = (),
        concepts: Sequence[str] = (),
        labelled: int = 100,
        draws: int = 5,
        penalty: float = 1.0,
        template: str = PLACE,
    ) -> None:
        if (label is None) == (not classes):
            raise ConfigError(
                f"label is {label!r} and classes is {list(classes)}, but classes come from one of them. Give label for groups that the data has, "
                "such as category, or classes, each with the things that make it."
            )
        named = in_order(classes)
        check_template(template)
        if draws < 1 or not penalty > 0:
            raise ConfigError(
                f"draws is {draws} and penalty is {penalty}. Draw at least once, such as 5 times, with a penalty above 0, such as 1."
            )
        if labelled < 2:
            raise ConfigError(f"labelled is {labelled}, but two classes need a picture each. Give more, such as 100.")
        self.label, self.classes, self.concepts = label, named, tuple(concepts)
        self.labelled, self.draws, self.penalty, self.template = labelled, draws, penalty, template
        if classes:
            self._check_enough(len(classes))

    @property
    def name(self) -> str:
        """What is told apart, as metrics name it."""
        return self.label or "classes"

    def measure(self, subject: Subject) -> Findings:
        """Return `bottleneck.<split>.<label|classes>.top1`, a row an answer, and what each class is told by.

        `bottleneck.<label|classes>.json` has split -> class -> the mean weight of each concept, and the three strongest.
        Raises ConfigError for a class of things that nothing is called, and for fewer labelled pictures than classes.
        """
        called = sorted({one for pool in subject.pools.values() for its in things(pool) for one in its})
        concepts = self.concepts or tuple(called)
        if not concepts or (self.classes and not called):
            what = "no region has a name, so no picture has a class" if self.classes else "no region has a name"
            return Findings(without={f"bottleneck.{self.name}": f"{what}. Give concepts, or data with regions"})
        unknown = sorted({one for its in self.classes.values() for one in its} - set(called))
        if unknown:
            raise ConfigError(
                f"classes name {', '.join(unknown)}, but nothing in the pictures is called so, and the class would lack it. Things are called "
                f"{', '.join(called)}."
            )
        metrics: list[Metric] = []
        rows, without, weights = {}, {}, {}
        for split, pool in subject.pools.items():
            table, why = self._told(subject, split, pool, concepts)
            if table is None:
                without[f"bottleneck.{split}.{self.name}"] = why
                continue
            rows[f"bottleneck.{split}"] = kept = self._rows(split, table)
            metrics.append(self._metric(split, table, kept, len(concepts), subject.seed))
            weights[split] = explained(table.classes, concepts, table.weights)
        files = {f"bottleneck.{self.name}.json": weights} if weights else {}
        return Findings(metrics=tuple(metrics), rows=rows, files=files, without=without)

    def classes_of(self, pool: Pictures) -> tuple[str | None, ...]:
        """Return the class of each picture, None where it has none."""
        if self.label is not None:
            return pool.labelled(self.label)
        return tuple(
            next((name for name, makes in self.classes.items() if not makes or its & set(makes)), None)
            for its in things(pool)
        ) or (None,) * len(pool.keys)

    def _told(
        self, subject: Subject, split: str, pool: Pictures, concepts: Sequence[str]
    ) -> tuple["Answers | None", str]:
        """Return the answers of all draws, or why there are none, in words."""
        of = self.classes_of(pool)
        used = sorted((place for place, one in enumerate(of) if one is not None), key=lambda place: pool.keys[place])
        labels = np.array([of[place] for place in used])
        classes = sorted(set(labels.tolist()))
        if len(classes) < 2:
            return None, f"every picture of {split} that has a class is of {classes[0]!r}" if classes else (
                f"no picture of {split} has a {self.label or 'class'}"
            )
        self._check_enough(len(classes))
        if len(used) <= self.labelled:
            return None, (
                f"{split} has {len(used)} pictures with a class, all of which would be among the {self.labelled} that are fitted on. "
                "Take more pictures, or a lower labelled"
            )
        scores = cosines(subject, split, concepts, self.template)[used]
        pixels = grey_pixels([pool.pictures[place] for place in used])
        found: list[Drawn] = []
        for number in range(self.draws):
            fitted = drawn(labels, self.labelled, np.random.default_rng((subject.seed, number)))
            model, plain = (logistic(rows, labels, fitted, self.penalty) for rows in (scores, pixels))
            names, counts = np.unique(labels[fitted], return_counts=True)
            found.append(
                Drawn(
                    places=np.flatnonzero(~fitted), answers=model.predict(scores[~fitted]), plain=plain.predict(pixels[~fitted]),
                    commonest=str(names[counts.argmax()]), weights=weights_of(model),
                )
            )  # fmt: skip
            subject.progress(f"fitting the bottleneck of {split}", number + 1, self.draws)
        keys, about = (np.array([of[place] for place in used]) for of in (pool.keys, pool.concepts))
        return Answers(keys=keys, about=about, labels=labels, classes=tuple(classes), draws=tuple(found)), ""

    def _check_enough(self, classes: int) -> None:
        if self.labelled < classes:
            raise ConfigError(
                f"labelled is {self.labelled}, but there are {classes} classes, each of which needs a picture to be fitted on. Give at least "
                f"{classes}, such as {10 * classes}."
            )

    def _metric(self, split: str, told: "Answers", kept: pa.Table, concepts: int, seed: int) -> Metric:
        shares, right = [told.right(one.answers, one) for one in told.draws], kept["right"].to_numpy()
        low, high = mean_interval(right, kept["group"].to_pylist(), seed)
        return Metric(
            name=f"bottleneck.{split}.{self.name}.top1", value=float(np.mean(shares)), unit="fraction", better="up", n=len(told.draws[0].places),
            chance=float(np.mean([told.right(np.full(len(one.places), one.commonest), one) for one in told.draws])),
            baseline=float(np.mean([told.right(one.plain, one) for one in told.draws])),
            method=f"1 of {len(told.classes)} by logistic regression on {concepts} concepts' cosines, fitted on {self.labelled} pictures; mean of "
            f"{len(told.draws)} draws", low=low, high=high,
            tallies=tuple(
                Tally(rows=f"bottleneck.{split}", where={"set": self.name, "draw": number}, column="right") for number in range(len(told.draws))
            ),
        )  # fmt: skip

    def _rows(self, split: str, told: "Answers") -> pa.Table:
        tables = [
            pa.table(
                {
                    "split": [split] * len(one.places), "set": [self.name] * len(one.places), "draw": pa.array([number] * len(one.places), pa.int32()),
                    "query": told.keys[one.places].tolist(), "group": told.about[one.places].tolist(), "label": told.labels[one.places].tolist(), "answer": one.answers.tolist(),
                    "baseline_answer": one.plain.tolist(), "right": (one.answers == told.labels[one.places]).tolist(),
                }
            )
            for number, one in enumerate(told.draws)
        ]  # fmt: skip
        return pa.concat_tables(tables)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One draw: which pictures were left, what was answered for them with and without concepts, and the weights [L C]."""

    places: np.ndarray
    answers: np.ndarray
    plain: np.ndarray
    commonest: str
    weights: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """All draws of a split, with keys, concepts and classes of its pictures in the order of their keys."""

    keys: np.ndarray
    about: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    draws: tuple[Drawn, ...]

    @property
    def weights(self) -> Float[np.ndarray, "L C"]:
        """The mean over draws."""
        return np.mean([one.weights for one in self.draws], 0)

    def right(self, answers: np.ndarray, one: Drawn) -> float:
        """Return the share of right answers to one draw."""
        return float((answers == self.labels[one.places]).mean())


def in_order(listed: Sequence[Mapping[str, Sequence[str]]]) -> dict[str, tuple[str, ...]]:
    """Return class -> things; ConfigError where not each is one of its own, one alone is there, or one never is."""
    names = [name for one in listed for name in one]
    if any(len(one) != 1 for one in listed) or len(set(names)) < len(names):
        raise ConfigError(
            f"classes is {[dict(one) for one in listed]}, but the first that fits is taken, so each is an entry of the list and there once. "
            "Give such as [{urgent: [star, cross]}, {calm: []}]."
        )
    classes = {name: tuple(makes) for one in listed for name, makes in one.items()}
    if len(classes) == 1:
        raise ConfigError(
            f"classes has {names[0]!r} alone, so there is nothing to tell apart. Give a second one; an empty list is all else."
        )
    seen: set[str] = set()
    for place, (name, makes) in enumerate(classes.items()):
        if not makes and place < len(classes) - 1:
            raise ConfigError(
                f"classes has no things for {name!r}, which every picture fits, so none gets to the classes after it. Put it last."
            )
        if makes and set(makes) <= seen:
            raise ConfigError(
                f"all things of {name!r} are of classes before it, which are asked first, so no picture is of it. Give it one of its own."
            )
        seen |= set(makes)
    return classes


def drawn(labels: np.ndarray, count: int, rng: np.random.Generator) -> Bool[np.ndarray, "I"]:
    """Return which pictures are drawn: one of each class, and the others of all that are left, each as likely."""
    order = rng.permutation(len(labels))
    _, firsts = np.unique(labels[order], return_index=True)
    rest = np.delete(order, firsts)
    fitted = np.zeros(len(labels), np.bool_)
    fitted[np.concatenate([order[firsts], rest])[:count]] = True
    return fitted


def weights_of(model: Any) -> Float[np.ndarray, "L C"]:
    """Return a row of weights a class, in the order of the fitted classes; of two, one is what speaks against the other."""
    weights = model[-1].coef_
    return np.concatenate([-weights, weights]) if len(weights) == 1 else weights


def explained(
    classes: Sequence[str], concepts: Sequence[str], weights: Float[np.ndarray, "L C"]
) -> dict[str, dict[str, Any]]:
    """Return class -> what speaks for it: the weight of each concept, by standard deviations of its score, and the strongest, in order."""
    return {
        name: {
            "strongest": [concepts[place] for place in np.argsort(-row, kind="stable")[:STRONGEST] if row[place] > 0],
            "weights": {concept: round(float(weight), 6) for concept, weight in zip(concepts, row, strict=True)},
        }
        for name, row in zip(classes, weights, strict=True)
    }
