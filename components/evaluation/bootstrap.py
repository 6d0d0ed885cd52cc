"""How far a number could be off by which queries it was taken over: the bootstrap, drawing groups of queries that belong together.

Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13 (percentiles); Field and Welsh 2007, "Bootstrapping clustered
data" (whole groups are drawn, since queries about one thing err together). Differs: groups of equal sums are drawn as one, by how many there
are, which is the same distribution and takes no longer for a hundred thousand queries than for a thousand, where answers are right or wrong.
Golden: scipy.stats.bootstrap, method percentile, of rows that are groups of their own.
Axes: Q queries, G groups, V values of a query, S sums of a group, R draws.
"""

from collections.abc import Callable, Hashable, Sequence

import numpy as np
from jaxtyping import Bool, Float

from components.contracts.errors import DataError

DRAWS, CONFIDENCE = 10_000, 0.95
_AT_ONCE = 20_000_000  # numbers that are drawn at a time: 160 MB

Statistic = Callable[[Float[np.ndarray, "R S"]], Float[np.ndarray, "R"]]
"""What a number is, of the sums of all groups."""


def summed(values: Float[np.ndarray, "Q V"], groups: Sequence[Hashable]) -> Float[np.ndarray, "G S"]:
    """Return the sums of each group over its queries, in the order in which groups come first; DataError for values that are no numbers."""
    if not np.isfinite(values).all():
        query = int(np.argwhere(~np.isfinite(values).all(1))[0, 0])
        raise DataError(
            f"query {query} of {len(values)} has a value that is no number, so nothing can be said of their mean. Look at the weights, or "
            "leave the query out of the pool."
        )
    places = {group: place for place, group in enumerate(dict.fromkeys(groups))}
    sums = np.zeros((len(places), values.shape[1]))
    np.add.at(sums, [places[group] for group in groups], values)
    return sums


def drawn(sums: Float[np.ndarray, "G S"], seed: int | Sequence[int], draws: int = DRAWS) -> Float[np.ndarray, "R S"]:
    """Return the sums over as many groups as there are, drawn with replacement, so many times."""
    distinct, counts = np.unique(sums, axis=0, return_counts=True)
    rng, whole = np.random.default_rng(seed), []
    for first in range(0, draws, step := max(1, _AT_ONCE // len(distinct))):
        times = rng.multinomial(len(sums), counts / len(sums), size=min(step, draws - first))  # (R, distinct)
        whole.append(times @ distinct)
    return np.concatenate(whole)


def interval(
    sums: Float[np.ndarray, "G S"], statistic: Statistic, seed: int, *, draws: int = DRAWS, confidence: float = CONFIDENCE
) -> tuple[float, float]:  # fmt: skip
    """Return both ends of the interval that a number has, `confidence` in the middle of what the draws give.

    Args:
        sums: of each group, as of `summed`.
        statistic: the number, of sums over groups; what it gives of a draw that holds none of what it divides by may be NaN, and is left out.
        seed: of the draws.

    DataError where there is one group alone, which could only be drawn again.
    """
    if len(sums) < 2:
        raise DataError(
            f"there is {len(sums)} group of queries, of which no interval can be made. Give two or more, or no interval."
        )
    with np.errstate(invalid="ignore", divide="ignore"):
        return middle(statistic(drawn(sums, seed, draws)), confidence)


def middle(found: Float[np.ndarray, "R"], confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return both ends of the middle part of what draws gave, leaving out NaN."""
    low, high = np.nanquantile(found, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def mean_interval(
    values: Float[np.ndarray, "Q"] | Bool[np.ndarray, "Q"], groups: Sequence[Hashable], seed: int
) -> tuple[float, float] | tuple[None, None]:
    """Return the interval of a mean over queries; None twice where all are of one group.

    Args:
        values: of each query; where they are right or wrong, which.
        groups: what each query is about: queries of one group are drawn together or not at all.
    """
    sums = summed(np.stack([values, np.ones(len(values))], 1).astype(float), groups)
    return (None, None) if len(sums) < 2 else interval(sums, lambda of: of[:, 0] / of[:, 1], seed)
