"""The shape of the shared space: how far apart the two sides lie, how close pairs are, how evenly all is spread.

Sources: Liang et al. 2022, arXiv:2203.02053, section 2 (modality gap: the distance of the two sides' means); Wang and Isola
2020, arXiv:2005.10242, section 3 (alignment with alpha 2, uniformity with t 2); Roy and Vetterli 2007 (effective rank);
Bardes et al. 2022, arXiv:2105.04906 (dimensions that have collapsed). Differs: nothing; all are taken on unit rows.
Axes: N pairs or rows, D shared width.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from components.contracts.errors import ConfigError
from components.contracts.evaluate import Metric
from components.contracts.evaluator import Evaluator, Findings, Subject

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
    """Return log of the mean of exp(-2 d^2) over all pairs of different rows, in nats: 0 is one point, lower is more even."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistic:
    """A number of the shared space.

    Args:
        of: the rows it takes: `pair` both sides, `image` or `text` one.
        call: how it is computed.
        unit: of the number.
        better: which way is usually good.
    """

    of: Literal["pair", "image", "text"]
    call: Callable[..., float]
    unit: Literal["fraction", "distance", "squared_distance", "nats", "dimensions"]
    better: Literal["up", "down"]


STATISTICS: Mapping[str, Statistic] = {
    "modality_gap": Statistic(of="pair", call=modality_gap, unit="distance", better="down"),
    "alignment": Statistic(of="pair", call=alignment, unit="squared_distance", better="down"),
} | {
    f"{side}.{name}": Statistic(of=side, call=call, unit=unit, better=better)
    for side in ("image", "text")
    for name, call, unit, better in (
        ("uniformity", uniformity, "nats", "down"),
        ("variance", variance, "fraction", "up"),
        ("effective_rank", effective_rank, "dimensions", "up"),
        ("dead_share", dead_share, "fraction", "down"),
    )
}


class FeatureStats(Evaluator):
    """Statistics of a split's pairs in the shared space, each picture with the first text that is said of it.

    Chance is directions drawn at random, the baseline the same model with the weights it began from.

    Args:
        splits: which; those that the data has not are left out, and said to be.
    """

    def __init__(self, splits: Sequence[str] = ("val",)) -> None:
        if not splits:
            raise ConfigError("FeatureStats has no splits to look at. Name at least one, such as [val].")
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
            ours = subject.embedded(split)[kept], subject.encoder.texts(texts)
            before = (
                subject.untrained.pictures(pictures, subject.progress, f"encoding {split}, untrained"),
                subject.untrained.texts(texts),
            )
            draw = np.random.default_rng(subject.seed)
            drawn = random_directions(draw, *ours[0].shape), random_directions(draw, *ours[1].shape)
            metrics += [
                Metric(
                    name=f"features.{split}.{name}", value=_of(one, *ours), unit=one.unit, better=one.better, n=len(kept),
                    chance=_of(one, *drawn), baseline=_of(one, *before), method="unit rows; chance: random directions",
                )
                for name, one in STATISTICS.items()
            ]  # fmt: skip
        return Findings(metrics=tuple(metrics), without=without)


def random_directions(draw: np.random.Generator, rows: int, width: int) -> Float[np.ndarray, "N D"]:
    """Return unit rows, all directions alike."""
    drawn = draw.standard_normal((rows, width))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def evenly(count: int, most: int) -> np.ndarray:
    """Return at most `most` places of `count`, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def _of(one: Statistic, image: Rows, text: Rows) -> float:
    sides = {"image": (image,), "text": (text,), "pair": (image, text)}
    return one.call(*(rows.astype(np.float64) for rows in sides[one.of]))
