"""Sums over groups that are drawn anew, or given a sign anew, of very many groups with hardly two alike: block by block, and not group by group.

Groups of like values make a block. How often a bootstrap draws each block is multinomial, and how many signs of a block are above 0 binomial, both
exactly. What the groups of a block add to so many times their mean is a sum of thousands of small terms, and drawn as what such a sum tends to: a
normal number with the variance, and between columns the covariance, that drawing group by group would have. So mean and covariance of what is
drawn are those of the exact bootstrap; skewness and what is beyond are those of the blocks' means, and are lost within blocks alone, where groups
hardly differ. The groups that lie furthest out are blocks of their own.
Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13, for what is drawn; Friedman, Bentley and Finkel 1977, "An
Algorithm for Finding Best Matches in Logarithmic Expected Time" (a k-d tree: halves, along the column that varies most). Differs: blocks stand for
their groups, as strata do in stratified sampling.
Golden: the exact draws of bootstrap.py, quantile by quantile.
Axes: G groups, S sums of a group, R draws, B blocks.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

HALVINGS = 8  # of all groups, one after the other: 256 blocks
FURTHEST = 64  # groups that are blocks of their own


def drawn_by_block(sums: Float[np.ndarray, "G S"], seed: int | Sequence[int], draws: int) -> Float[np.ndarray, "R S"]:
    """Return the sums over as many groups as there are, drawn with replacement, so many times: of thousands of groups, as `bootstrap.drawn`."""
    rng, varies = np.random.default_rng(seed), np.ptp(sums, 0) > 0
    whole = np.broadcast_to(sums[0] * len(sums), (draws, sums.shape[1])).copy()  # of what all groups have alike
    moving = sums[:, varies]
    blocks = like(moving)
    sizes = np.bincount(blocks)
    means = np.stack([np.bincount(blocks, column) for column in moving.T], 1) / sizes[:, None]
    within = moving - means[blocks]
    times = rng.multinomial(len(sums), sizes / len(sums), size=draws)  # (R, B)
    whole[:, varies] = times @ means + rng.standard_normal((draws, moving.shape[1])) @ _root(within.T @ within)
    return whole


def signed_by_block(values: Float[np.ndarray, "G"], seed: int | Sequence[int], draws: int) -> Float[np.ndarray, "R"]:
    """Return the sums of values, each with a sign that is drawn, so many times."""
    rng, sizes_of = np.random.default_rng(seed), np.abs(values)
    blocks = like(sizes_of[:, None])
    sizes = np.bincount(blocks)
    means = np.bincount(blocks, sizes_of) / sizes
    above = rng.binomial(sizes, 0.5, size=(draws, len(sizes)))  # (R, B)
    left = ((sizes_of - means[blocks]) ** 2).sum()
    found: Float[np.ndarray, R] = (2.0 * above - sizes) @ means + left**0.5 * rng.standard_normal(draws)
    return found


def like(values: Float[np.ndarray, "G S"]) -> Int[np.ndarray, "G"]:
    """Return in which block each group is, counted from 0: halves of halves along the column that varies most, but for those furthest out."""
    spread = values.std(0)
    scaled = (values - values.mean(0)) / np.where(spread > 0, spread, 1.0)
    order = np.argsort(np.abs(scaled).max(1, initial=0.0), kind="stable")
    most = max(0, min(FURTHEST, len(values) - 2**HALVINGS))
    near, far = order[: len(order) - most], order[len(order) - most :]
    parts = [near]
    for _ in range(HALVINGS):
        parts = [half for part in parts for half in _halves(part, scaled) if len(half)]
    blocks = np.empty(len(values), np.int64)
    for number, part in enumerate(parts):
        blocks[part] = number
    blocks[far] = len(parts) + np.arange(len(far))
    return blocks


def _halves(part: Int[np.ndarray, "P"], scaled: Float[np.ndarray, "G S"]) -> tuple[Int[np.ndarray, "..."], ...]:
    """Return a part in two, by the middle value of the column in which it varies most."""
    if len(part) < 2 or not scaled.shape[1]:
        return (part,)
    column = scaled[part, scaled[part].var(0).argmax()]
    order, middle = np.argsort(column, kind="stable"), len(part) // 2  # where values tie, alike on every machine
    return part[order[:middle]], part[order[middle:]]


def _root(covariance: Float[np.ndarray, "S S"]) -> Float[np.ndarray, "S S"]:
    """Return what turns independent normal numbers, as rows, into some with this covariance, which columns that go together make singular.

    Of all such roots the symmetric one, which does not depend on the signs in which a machine gives eigenvectors.
    """
    variances, directions = np.linalg.eigh(covariance)
    root: Float[np.ndarray, S, S] = (directions * np.sqrt(np.maximum(variances, 0.0))) @ directions.T
    return root
