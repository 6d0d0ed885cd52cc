"""Zero-shot AUC of findings: of all that may be in a picture at once, is each one ranked higher where it is?

Source: Radford et al. 2021, arXiv:2103.00020, section 3.1 (classes by their texts, nothing fitted), asked of each class alone and averaged
over classes, as for findings of one picture in Nie et al. 2025, arXiv:2501.15579. Differs: scores are plain cosines and not a softmax
with the text of the contrary; an AUC needs no bound, only an order of the pictures. Its interval is of what each picture adds to it, to first
order: DeLong et al. 1988, Biometrics 44(3), whose components these are, here drawn by groups.
Golden: scikit-learn roc_auc_score, which it is.
Axes: I pictures of a pool, C classes.
"""

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float

from components.contracts.evaluate import Metric
from components.contracts.evaluator import Evaluator, Findings, Pictures, Subject
from components.evaluation.bootstrap import mean_interval
from components.evaluation.concepts import check_template, cosines, things
from components.evaluation.prompts import PLACE

THINGS = "things"


class ZeroShotAuc(Evaluator):
    """The chance that a picture with a finding is nearer to its text than one without it, the mean over findings.

    Each finding counts the same however rare. One that every picture of a split has, or none, has no such chance: it is left out
    and counted. Chance is 1/2. The baseline is how near the nearest training picture is of which the same is said, by edges and colours.

    Args:
        of: `things`, what the regions of a picture are called; or a label, such as `category`, each of whose groups a picture is of or not.
        template: the text of a finding, with one {} for its name.

    Raises ConfigError for a template without one place.
    """

    def __init__(self, of: str = THINGS, template: str = PLACE) -> None:
        check_template(template)
        self.of, self.template = of, template

    def measure(self, subject: Subject) -> Findings:
        """Return `zero_shot_auc.<split>.<of>` with a row a finding; in `without`, why there are none."""
        found = {split: self._found(pool) for split, pool in subject.pools.items()}
        classes = sorted({one for pictures in found.values() for its in pictures if its for one in its})
        if not classes:
            what = "no region has a name" if self.of == THINGS else f"no picture has a {self.of}"
            why = f"{what}, so there is nothing to be found"
            return Findings(without={f"zero_shot_auc.{split}.{self.of}": why for split in subject.pools})
        owned = self._owned(subject.train, classes)
        metrics: list[Metric] = []
        rows, without = {}, {}
        for split, pictures in found.items():
            known = np.array([its is not None for its in pictures], np.bool_)
            has = np.array([[one in its for one in classes] for its in pictures if its is not None], np.bool_)
            has = has.reshape(-1, len(classes))  # of no picture too
            told = np.asarray(has.any(0) & ~has.all(0))
            if not told.any():
                without[f"zero_shot_auc.{split}.{self.of}"] = f"every picture of {split} has the same of it, or none"
                continue
            kept = [one for one, is_told in zip(classes, told, strict=True) if is_told]
            scores = cosines(subject, split, kept, self.template)[known]
            ours = aucs(has[:, told], scores)
            about = [one for one, is_known in zip(subject.pools[split].concepts, known, strict=True) if is_known]
            low, high = mean_interval(ours.mean() + added(has[:, told], scores).mean(1), about, subject.seed)
            theirs = aucs(has[:, told], subject.nearest(split, owned, kept)[:][known])
            metrics.append(
                Metric(
                    name=f"zero_shot_auc.{split}.{self.of}", value=float(ours.mean()), unit="fraction", better="up", n=len(has),
                    chance=0.5, baseline=float(theirs.mean()), method=self._method(len(kept), len(classes)),
                    low=None if low is None else max(low, 0.0), high=None if high is None else min(high, 1.0),
                )
            )  # fmt: skip
            rows[f"zero_shot_auc.{split}"] = pa.table(
                {
                    "split": [split] * len(kept), "of": [self.of] * len(kept), "query": kept, "auc": ours, "baseline_auc": theirs,
                    "with": pa.array(has[:, told].sum(0), pa.int32()), "without": pa.array((~has[:, told]).sum(0), pa.int32()),
                }
            )  # fmt: skip
        return Findings(metrics=tuple(metrics), rows=rows, without=without)

    def _found(self, pool: Pictures) -> tuple[frozenset[str] | None, ...]:
        """Return what is in each picture; None of one of which it is not known."""
        if self.of == THINGS:
            return things(pool)
        return tuple(None if group is None else frozenset((group,)) for group in pool.labelled(self.of))

    def _owned(self, train: Pictures, classes: Sequence[str]) -> list[tuple[str, ...]]:
        """Return which of the classes each training picture has; of things, which its captions name."""
        if self.of != THINGS:
            return [() if group is None else (group,) for group in train.labelled(self.of)]
        named = {one: re.compile(rf"\b{re.escape(one)}\b", re.IGNORECASE) for one in classes}
        return [
            tuple(one for one, its in named.items() if any(its.search(text) for text in texts))
            for texts in train.captions
        ]

    def _method(self, kept: int, classes: int) -> str:
        by = "its name" if self.template == PLACE else f"'{self.template}'"
        left = "" if kept == classes else f"; {classes - kept} of {classes} left out, which no picture has, or every"
        return f"mean of {kept} classes, each by the cosine with {by}{left}"


def aucs(has: Bool[np.ndarray, "I C"], scores: Float[np.ndarray, "I C"]) -> Float[np.ndarray, "C"]:
    """Return the area under the ROC curve of each class: the share of pairs, one picture with it and one without, that are in order.

    Equal scores are half in order. ValueError for a class that all pictures have, or none.
    """
    from sklearn.metrics import roc_auc_score  # seconds to import, which checking a recipe need not spend

    return np.array([roc_auc_score(is_there, its) for is_there, its in zip(has.T, scores.T, strict=True)])


def added(has: Bool[np.ndarray, "I C"], scores: Float[np.ndarray, "I C"]) -> Float[np.ndarray, "I C"]:
    """Return what each picture adds to the area of each class, to first order; 0 on average over the pictures.

    Of a picture with it, by how much the share of those without it that lie below is above the area, over the share of pictures with it; of one
    without it the same the other way round.
    """
    found = np.empty(has.shape)
    for place, (there, its) in enumerate(zip(has.T, scores.T, strict=True)):
        for side in (True, False):
            one, other = its[there == side], np.sort(its[there != side])
            below = (np.searchsorted(other, one, "left") + np.searchsorted(other, one, "right")) / (2 * len(other))
            in_order = below if side else 1 - below
            found[there == side, place] = (in_order - in_order.mean()) * len(its) / len(one)
    return found
