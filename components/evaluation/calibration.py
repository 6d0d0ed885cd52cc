"""Calibration: how far what a model says of its own sureness is from how often it is right.

Sources: Guo et al. 2017, arXiv:1706.04599, section 2 (expected calibration error of the most likely class, 15 bins, reliability picture);
Nixon et al. 2019, arXiv:1904.01685 (bins of as many queries each); Brier 1950 (squared distance of the shares to the truth). Differs: chance is
what a model that is right as often as it says shows over so few queries, since an error of that size is no error. Noise only ever adds to the error,
so that what is drawn from the queries lies above it, often as a whole; its interval is of the bins' distances together (`of_parts.py`).
Golden: torchmetrics MulticlassCalibrationError (norm l1) for bins of one width, scikit-learn calibration_curve for bins of one mass.
Axes: Q queries, L labels, B bins.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float, Int

from components.contracts.errors import ConfigError
from components.contracts.evaluate import Metric, Tally
from components.contracts.evaluator import Evaluator, Findings, Subject
from components.evaluation.bootstrap import mean_interval
from components.evaluation.groups import Grouped, choices, of_nearest
from components.evaluation.of_parts import sum_interval
from components.evaluation.retrieval import nearest, ranks
from components.evaluation.zero_shot import Shares, ZeroShot

Binned = Literal["mass", "width"]
DIGITS = 4  # of a share; closer ones are equally sure, or the last bits, which depend on the batch, would say in which bin they are
BINS_MEAN: Mapping[Binned, str] = {"mass": "of as many pictures each", "width": "of one width"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bins:
    """Queries put together by how sure the model is of its first answer.

    Args:
        edges: float [B + 1], from the least sure to the surest; a bin holds its upper edge.
        places: int [Q], of which bin each query is.
    """

    edges: Float[np.ndarray, "edges"]
    places: Int[np.ndarray, "Q"]

    @classmethod
    def of(cls, confidence: Float[np.ndarray, "Q"], count: int, binned: Binned) -> "Bins":
        """Make `count` bins; of one mass, queries that are equally sure stay together, so that some bins may be larger, or empty."""
        parts, sure = np.linspace(0, 1, count + 1), confidence.round(DIGITS)
        edges = np.quantile(sure, parts) if binned == "mass" else parts
        return cls(edges=edges, places=np.searchsorted(edges[1:-1], sure))

    def sums(self, values: Float[np.ndarray, "Q"] | Bool[np.ndarray, "Q"]) -> Float[np.ndarray, "B"]:
        """Return the sum over the queries of each bin."""
        return np.bincount(self.places, weights=values.astype(float), minlength=len(self.edges) - 1)


def error(confidence: Float[np.ndarray, "Q"], right: Bool[np.ndarray, "Q"], bins: Bins) -> float:
    """Return the expected calibration error: the mean distance of sureness to share of right answers, bins weighted by their queries."""
    return float(np.abs(bins.sums(confidence) - bins.sums(right)).sum() / len(right))


def error_by_chance(confidence: Float[np.ndarray, "Q"], bins: Bins) -> float:
    """Return the error that is expected where each answer is right as often as it says, a bin's sum taken for normal."""
    return float(np.sqrt(2 / np.pi * bins.sums(confidence * (1 - confidence))).sum() / len(confidence))


class Calibration(Evaluator):
    """Of zero-shot classification: whether it is right in 8 of 10 cases of which it is 80% sure.

    The baseline says the group of the nearest training picture, and is always sure of it; where no training picture is known it is chance. Of the squared distance chance is an even share for
    each group; of the error, what is expected of a model that is right exactly as often as it says.

    Args:
        asks: how groups are asked for; its `top` and `served` are not read.
        bins: how many, 15 in the literature.
        binned: `mass`, each of as many pictures; `width`, each of one width, as most papers have them, where many may be nearly empty.

    Raises ConfigError for less than one bin.
    """

    def __init__(self, asks: ZeroShot, bins: int = 15, binned: Binned = "mass") -> None:
        if bins < 1:
            raise ConfigError(f"bins is {bins}, but pictures go into one or more. 15 is usual.")
        self.asks, self.bins, self.binned = asks, bins, binned

    def measure(self, subject: Subject) -> Findings:
        """Return `calibration.<split>.<label>.ece` and `.brier`, a row a picture, and the bins in `calibration.<label>.json`."""
        label = self.asks.label
        labels, why = choices(subject, label, self.asks.among)
        if why:
            return Findings(without={f"calibration.{split}.{label}": why for split in subject.pools})
        asked = self.asks.asked(subject, labels)
        metrics: list[Metric] = []
        rows, pictured, without = {}, {}, {}
        for split, pool in subject.pools.items():
            known = Grouped.of(pool, label, labels)
            if not known.keys:
                without[f"calibration.{split}.{label}"] = f"no picture of {split} has a {label}"
                continue
            measured, rows[f"calibration.{split}"], pictured[split] = self._split(subject, split, known, labels, asked)
            metrics += measured
        files = {f"calibration.{label}.json": pictured}
        return Findings(metrics=tuple(metrics), rows=rows, files=files, without=without)

    def _split(
        self, subject: Subject, split: str, known: Grouped, labels: Sequence[str], asked: Shares
    ) -> tuple[list[Metric], pa.Table, dict[str, Any]]:
        """Return the metrics, the rows and the bins of one pool."""
        shares, belongs = asked(subject.embedded(split)[known.has]), known.belongs
        confidence, right = shares.max(1), ranks(shares, belongs) == 1
        theirs = None
        if subject.train.keys:  # of a foreign model nobody knows what it was trained on
            theirs = ranks(of_nearest(subject, split, self.asks.label, labels)[known.has], belongs) == 1
        distance, bins = ((shares - belongs) ** 2).sum(1), Bins.of(confidence, self.bins, self.binned)
        low, high = mean_interval(distance, known.about, subject.seed)
        least, most = sum_interval(confidence - right, bins.places, self.bins, known.about, subject.seed)
        name, n = f"calibration.{split}.{self.asks.label}", len(right)
        by_chance, even = error_by_chance(confidence, bins), 1 - 1 / len(labels)
        missed = None if theirs is None else float((~theirs).mean())
        way = f"1 of {len(labels)} by {self.asks.method}"
        found = f"on average {confidence.mean():.1%} sure and {right.mean():.1%} right"
        metrics = [
            Metric(
                name=f"{name}.ece", value=error(confidence, right, bins), unit="fraction", better="down", n=n,
                chance=by_chance, baseline=by_chance if missed is None else missed,
                method=f"{found}, {self.bins} bins {BINS_MEAN[self.binned]}; {way}", low=least, high=most,
            ),
            Metric(
                name=f"{name}.brier", value=float(distance.mean()), unit="squared_distance", better="down", n=n,
                chance=even, baseline=even if missed is None else 2 * missed, method=way, low=low, high=high,
                tallies=(Tally(rows=f"calibration.{split}", where={"set": self.asks.label}, column="squared_distance"),),
            ),
        ]  # fmt: skip
        rows = pa.table(
            {
                "split": [split] * n, "set": [self.asks.label] * n, "query": known.keys, "group": known.about, "label": known.groups,
                "first": [labels[place] for place in nearest(shares, belongs)], "confidence": confidence, "right": right,
                "baseline_right": pa.nulls(n, pa.bool_()) if theirs is None else theirs, "squared_distance": distance, "bin": pa.array(bins.places, pa.int32()),
            }
        )  # fmt: skip
        return metrics, rows, pictured_of(confidence, right, bins)


def pictured_of(confidence: Float[np.ndarray, "Q"], right: Bool[np.ndarray, "Q"], bins: Bins) -> dict[str, Any]:
    """Return what a reliability picture is drawn from: means over all queries, and those of each bin that has any."""
    counts, sure, correct = bins.sums(np.ones(len(right))), bins.sums(confidence), bins.sums(right)
    return {
        "confidence": float(confidence.mean()), "right": float(right.mean()), "queries": len(right),
        "bins": [
            {
                "low": float(bins.edges[place]), "high": float(bins.edges[place + 1]), "queries": int(counts[place]),
                "confidence": float(sure[place] / counts[place]), "right": float(correct[place] / counts[place]),
            }
            for place in np.flatnonzero(counts)
        ],
    }  # fmt: skip
