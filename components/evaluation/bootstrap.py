"""How far a number could be off by which queries it was taken over: the bootstrap, drawing groups of queries that belong together.

Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13 (percentiles); Field and Welsh 2007, "Bootstrapping clustered
data" (whole groups are drawn, since queries about one thing err together). Differs: groups of equal sums are drawn as one, by how many there
are, which is the same distribution and takes no longer for a hundred thousand queries than for a thousand, where answers are right or wrong; where hardly two are equal, each is drawn by its number,
or, of more than LARGE, block by block (blocks.py).
Golden: scipy.stats.bootstrap, method percentile, of rows that are groups of their own.
Axes: Q queries, G groups, V values of a query, S sums of a group, R draws.
"""

from bisect import bisect_left
from collections.abc import Callable, Hashable, Sequence
from functools import cache

import numpy as np
from jaxtyping import Bool, Float, Int, UInt32

from components.contracts.errors import DataError
from components.evaluation.blocks import drawn_by_block

DRAWS, CONFIDENCE = 10_000, 0.95
TAIL_DRAWS = 20  # that lie beyond an end which is read off them
FEWEST = 20  # groups, below which what is drawn says little of what was not
ALIKE = 3  # groups of each kind from which on kinds are drawn and not groups
LARGE = 10_000  # groups, or kinds of them, above which hardly alike ones are drawn by blocks of like values
FEW = 4  # sums of a group, beyond which it is counted how often each is drawn
_COUNTED = 200_000  # of these at a time, which caches hold
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
    rng, whole, is_alike = np.random.default_rng(seed), [], ALIKE * len(distinct) <= len(sums)
    if not is_alike and len(sums) > LARGE:
        return drawn_by_block(sums, seed, draws)
    for first in range(0, draws, step := max(1, _AT_ONCE // (len(distinct) if is_alike else len(sums)))):
        size = min(step, draws - first)
        if is_alike:
            times = rng.multinomial(len(sums), counts / len(sums), size=size)  # (R, distinct)
            whole.append(times @ distinct)
        else:
            places = rng.integers(len(sums), size=(size, len(sums)), dtype=np.uint32)
            whole.append(
                _counted(sums, places)
                if sums.shape[1] > FEW
                else np.stack([_gathered(column, places) for column in sums.T], 1)
            )
    return np.concatenate(whole)


def _gathered(column: Float[np.ndarray, "G"], places: UInt32[np.ndarray, "R G"]) -> Float[np.ndarray, "R"]:
    """Return the sum of each draw; of what all groups have alike, such as one query each, nothing is looked up."""
    if (column == column[0]).all():
        return np.full(len(places), column[0] * len(column))
    return column[places].sum(1)


def _counted(sums: Float[np.ndarray, "G S"], places: UInt32[np.ndarray, "R G"]) -> Float[np.ndarray, "R S"]:
    """Return the sums of each draw by how often it has each group: nothing is looked up for each of many sums."""
    found, groups = np.empty((len(places), sums.shape[1])), len(sums)
    for first in range(0, len(places), step := max(1, _COUNTED // groups)):
        part = places[first : first + step]
        apart = part + np.arange(len(part), dtype=np.int64)[:, None] * groups
        times = np.bincount(apart.ravel(), minlength=part.size).reshape(part.shape)
        found[first : first + step] = times.astype(float) @ sums
    return found


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


def median(ranks: Int[np.ndarray, "Q"]) -> int:
    """Return the lowest rank that half of all queries reach."""
    return int(np.quantile(ranks, 0.5, method="inverted_cdf"))


def median_interval(
    ranks: Int[np.ndarray, "Q"], groups: Sequence[Hashable], seed: int
) -> tuple[float, float] | tuple[None, None]:
    """Return the interval of the `median` of ranks from 1; None twice where all are of one group.

    A draw's median is at most r exactly where half of it has rank r or better, so its quantiles are those r at which the interval of that share
    comes to hold one half: a few dozen intervals of shares, each made once for both ends, and no draw is ever sorted.
    """
    if len(set(groups)) < 2:
        return None, None
    values = np.unique(ranks)

    @cache
    def share(rank: int) -> tuple[float, float] | tuple[None, None]:
        """Return the interval of the share of queries that reach a rank."""
        return mean_interval(ranks <= rank, groups, seed)

    def end(at: int) -> float:
        """Return the lowest rank where that end of the interval of the share is one half or more."""
        found = bisect_left(values, 0.5, key=lambda rank: share(int(rank))[at] or 0.0)
        return float(values[min(found, len(values) - 1)])

    return end(1), end(0)
