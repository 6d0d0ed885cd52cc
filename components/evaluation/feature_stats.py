"""The shape of the shared space: how far apart the two sides lie, how close pairs are, how evenly all is spread.

Sources: Liang et al. 2022, arXiv:2203.02053, section 2 (modality gap: the distance of the two sides' means); Wang and Isola
2020, arXiv:2005.10242, section 3 (alignment with alpha 2, uniformity with t 2); Roy and Vetterli 2007 (effective rank);
Bardes et al. 2022, arXiv:2105.04906 (dimensions that have collapsed). Differs: nothing; all are taken on unit rows.
Axes: N pairs or rows, D shared width.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from components.contracts.errors import ConfigError
from components.contracts.evaluate import Metric
from components.contracts.evaluator import Evaluator, Findings, Subject
from components.evaluation.jackknife import intervals

MOST = 2_000  # rows that are compared with each other; more change no digit that is shown
DEAD = 0.01  # of the deviation that a dimension has when all have the same

Rows = Float[np.ndarray, "N D"]


def modality_gap(image: Rows, text: Rows) -> float:
    """Return the distance of the two means, 0 to 2."""
    return float(np.linalg.norm(image.mean(0) - text.mean(0)))


def alignment(image: Rows, text: Rows) -> float:
    """Return the mean squared distance of row i of one to row i of the other, 0 to 4; random directions have 2."""
    return float(((image - text) ** 2).sum(1).mean())


def uniformity(rows: Rows) -> float:
    """Return log of the mean of exp(-2 d^2) over all pairs of different rows, in nats: 0 is one point, lower is more even; NaN of one row."""
    if len(rows) < 2:
        return float("nan")
    squared = np.clip(2 - 2 * rows @ rows.T, 0, None)[np.triu_indices(len(rows), 1)]
    return float(np.log(np.exp(-2 * squared).mean()))


def variance(rows: Rows) -> float:
    """Return the summed variance of all dimensions, 0 to 1: the share of the length that is not common to all rows."""
    return float(rows.var(0).sum())


def effective_rank(rows: Rows) -> float:
    """Return exp of the entropy of the singular values of the centred rows: in how many dimensions they lie, 0 to D."""
    values = np.linalg.svd(rows - rows.mean(0), compute_uv=False)
    if values.sum() < 1e-9:
        return 0.0  # one point
    shares = values[values > 0] / values.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def dead_share(rows: Rows) -> float:
    """Return the share of the dimensions that hardly change from row to row."""
    return float((rows.std(0) < DEAD / np.sqrt(rows.shape[1])).mean())


HIGHEST: Mapping[str, float] = {"fraction": 1.0, "distance": 2.0, "squared_distance": 4.0}  # of unit rows
Unit = Literal["fraction", "distance", "squared_distance", "nats", "dimensions"]
Better = Literal["up", "down"]  # which way is usually good
OF_PAIRS: Mapping[str, tuple[Callable[[Rows, Rows], float], Unit, Better]] = {
    "modality_gap": (modality_gap, "distance", "down"),
    "alignment": (alignment, "squared_distance", "down"),
}
OF_A_SIDE: Mapping[str, tuple[Callable[[Rows], float], Unit, Better]] = {
    "uniformity": (uniformity, "nats", "down"),
    "variance": (variance, "fraction", "up"),
    "effective_rank": (effective_rank, "dimensions", "up"),
    "dead_share": (dead_share, "fraction", "down"),
}


class FeatureStats(Evaluator):
    """Statistics of a split's pairs in the shared space, each picture with the first text that is said of it.

    Chance is directions drawn at random, the baseline the same architecture with weights that were drawn.

    Args:
        splits: which; those that the data has not are left out, and said to be.
    """

    def __init__(self, splits: Sequence[str] = ("val",)) -> None:
        if not splits:
            raise ConfigError("splits is empty, so there is nothing to look at. Name at least one, such as [val].")
        self.splits = tuple(splits)

    def measure(self, subject: Subject) -> Findings:
        """Return `features.<split>.<statistic>`."""
        metrics, without = [], {}
        for split in self.splits:
            if split not in subject.pools or len(subject.pools[split].keys) < 2:
                without[f"features.{split}"] = f"this data has no two pictures in {split}"
                continue
            pool = subject.pools[split]
            kept = evenly(len(pool.keys), MOST)
            texts = [pool.captions[place][0] for place in kept]
            pictures = [pool.pictures[place] for place in kept]
            draw = np.random.default_rng(subject.seed)
            image, text = subject.embedded(split)[kept], subject.encoder.texts(texts)
            ours = statistics(image, text)
            ends = intervals(Values(image, text), [pool.concepts[place] for place in kept], subject.seed)
            before = statistics(
                subject.untrained.pictures(pictures, subject.progress, f"encoding {split}, untrained"),
                subject.untrained.texts(texts),
            )
            width = subject.embedded(split).shape[1]
            drawn = statistics(*(random_directions(draw, len(kept), width) for _ in range(2)))
            for name, (value, unit, better) in ours.items():
                low, high = within(ends.get(name), unit)
                metrics.append(
                    Metric(
                        name=f"features.{split}.{name}", value=value, unit=unit, better=better, n=len(kept),
                        chance=drawn[name][0], baseline=before[name][0], method="pictures with their first text, unit rows",
                        low=low, high=high,
                    )
                )  # fmt: skip
        return Findings(metrics=tuple(metrics), without=without)


@dataclass(frozen=True, slots=True)
class Values:
    """All statistics of some of the pairs, as numbers alone."""

    image: Rows
    text: Rows

    def __call__(self, places: Int[np.ndarray, "N"]) -> dict[str, float]:
        """Return name -> value."""
        return {name: value for name, (value, _, _) in statistics(self.image[places], self.text[places]).items()}


def within(ends: tuple[float, float] | None, unit: Unit) -> tuple[float, float] | tuple[None, None]:
    """Return both ends of an interval, or the last that there can be; None twice of none."""
    if ends is None:
        return None, None
    least, most = (-inf, inf) if unit == "nats" else (0.0, HIGHEST.get(unit, inf))
    return min(max(ends[0], least), most), min(max(ends[1], least), most)


def statistics(image: Rows, text: Rows) -> dict[str, tuple[float, Unit, Better]]:
    """Return name -> (value, unit, which way is good) of everything this file computes, in float64."""
    sides = {"image": image.astype(np.float64), "text": text.astype(np.float64)}
    found: dict[str, tuple[float, Unit, Better]] = {
        name: (call(sides["image"], sides["text"]), unit, better) for name, (call, unit, better) in OF_PAIRS.items()
    }
    for side, rows in sides.items():
        found |= {f"{side}.{name}": (call(rows), unit, better) for name, (call, unit, better) in OF_A_SIDE.items()}
    return found


def random_directions(draw: np.random.Generator, rows: int, width: int) -> Float[np.ndarray, "N D"]:
    """Return unit rows, all directions alike."""
    drawn = draw.standard_normal((rows, width))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def evenly(count: int, most: int) -> np.ndarray:
    """Return at most `most` places of `count`, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))
