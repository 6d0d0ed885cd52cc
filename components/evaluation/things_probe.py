"""Probe of several things at once: how well a linear head ranks all that may be in a picture, of features that stay as they are.

Source: Radford et al. 2021, arXiv:2103.00020, section 3.2 (logistic regression on frozen features), one for each thing, as clusters with
several labels are judged in An et al. 2024, arXiv:2407.17331. Differs: the average precision is that of each picture over things, as in
Schapire and Singer 2000 (BoosTexter), so that it is a mean over pictures and has an interval.
Golden: scikit-learn label_ranking_average_precision_score, where no scores tie.
Axes: I pictures of a pool, F features, C things.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float

from components.contracts.errors import ConfigError
from components.contracts.evaluate import Metric, Tally
from components.contracts.evaluator import Encoder, Evaluator, Findings, Pictures, Space, Subject
from components.evaluation.bootstrap import mean_interval
from components.evaluation.concepts import things
from components.evaluation.probe import SPACE_MEANS, logistic
from components.evaluation.ranking import Right, placed, precision_chance

THINGS, FITTED = "things", "val"


class ThingsProbe(Evaluator):
    """Average precision of the things that are in a picture, ranked by heads that were fitted on the split `val`; the mean over pictures.

    Chance is any order. The baseline is the same probe on the same architecture with drawn weights.

    Args:
        of: `things`, what the regions of a picture are called; or a label, such as `category`, of which a picture has one group.
        space: the features that are read: the image tower's, or those of the shared space.
        penalty: C of scikit-learn, the inverse of the penalty.

    Raises ConfigError for a penalty that is not above 0.
    """

    def __init__(self, of: str = THINGS, space: Space = "features", penalty: float = 0.1) -> None:
        if not penalty > 0:
            raise ConfigError(f"penalty is {penalty:g}, but a penalty is above 0, such as 0.1.")
        self.of, self.space, self.penalty = of, space, penalty

    def measure(self, subject: Subject) -> Findings:
        """Return `things_probe.<split>.<of>.mean_average_precision` and a row a picture; in `without`, why there is none."""
        name = f"things_probe.{self.of}"
        if FITTED not in subject.pools:
            return Findings(without={name: f"there is no split {FITTED} to fit on"})
        fitted = subject.pools[FITTED]
        its = self._found(fitted)
        classes = sorted({one for own in its for one in own})
        told = [one for one in classes if 0 < sum(one in own for own in its) < len(its)]
        if len(told) < 2:
            return Findings(
                without={name: f"pictures of {FITTED} have fewer than two {self.of} that some have and others have not"}
            )
        has = _has(its, told)
        heads = [self._heads(encoder, subject, fitted, has) for encoder in (subject.encoder, subject.untrained)]
        metrics, rows, without = [], {}, {}
        for split, pool in subject.pools.items():
            if split == FITTED:
                continue
            asked = _has(self._found(pool), told) if self._found(pool) else np.zeros((0, len(told)), np.bool_)
            used = np.flatnonzero(asked.any(1))
            if not len(used):
                without[f"things_probe.{split}.{self.of}"] = (
                    f"no picture of {split} has a thing that some of {FITTED} have"
                )
                continue
            right = Right.of_matrix(asked[used])
            ours, theirs = (
                placed(self._scores(encoder, subject, pool, split, own)[used], right).precision
                for encoder, own in zip((subject.encoder, subject.untrained), heads, strict=True)
            )
            keys = [pool.keys[at] for at in used]
            about = [pool.concepts[at] for at in used]
            low, high = mean_interval(ours, about, subject.seed)
            table = f"things_probe.{split}.{self.of}"
            metrics.append(
                Metric(
                    name=f"{table}.mean_average_precision", value=float(ours.mean()), unit="fraction", better="up", n=len(used),
                    chance=precision_chance(right.counts, len(told)), baseline=float(theirs.mean()), low=low, high=high,
                    method=f"{len(told)} logistic regressions on {SPACE_MEANS[self.space]}, C {self.penalty:g}, fitted on {len(its)} pictures of {FITTED}",
                    tallies=(Tally(rows=table, column="precision"),),
                )
            )  # fmt: skip
            rows[table] = pa.table({"query": keys, "group": about, "precision": ours, "baseline_precision": theirs})
        return Findings(metrics=tuple(metrics), rows=rows, without=without)

    def _found(self, pool: Pictures) -> tuple[frozenset[str], ...]:
        """Return what is in each picture."""
        if self.of == THINGS:
            return things(pool)
        return tuple(frozenset(() if group is None else (group,)) for group in pool.labelled(self.of))

    def _heads(self, encoder: Encoder, subject: Subject, pool: Pictures, has: Bool[np.ndarray, "I C"]) -> list[object]:
        rows = encoder.encoded(pool.pictures, (self.space,), subject.progress, f"encoding {FITTED}")[self.space]
        everything = np.ones(len(rows), np.bool_)
        return [logistic(rows, own, everything, self.penalty) for own in has.T]

    def _scores(
        self, encoder: Encoder, subject: Subject, pool: Pictures, split: str, heads: Sequence[object]
    ) -> Float[np.ndarray, "I C"]:
        rows = encoder.encoded(pool.pictures, (self.space,), subject.progress, f"encoding {split}")[self.space]
        scores = np.stack([head.decision_function(rows) for head in heads], 1)  # type: ignore[attr-defined]  # scikit-learn is untyped
        found: np.ndarray = scores.round(6)  # what no batch's rounding changes
        return found


def _has(found: Sequence[frozenset[str]], classes: Sequence[str]) -> Bool[np.ndarray, "I C"]:
    """Return which picture has which thing."""
    return np.array([[one in own for one in classes] for own in found], np.bool_).reshape(-1, len(classes))
