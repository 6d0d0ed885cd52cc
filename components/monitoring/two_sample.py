"""Do two samples come from one distribution? Two tests of vectors, each with the share of cases in which it would look so by chance.

Sources: Gretton et al. 2012, "A Kernel Two-Sample Test" (the unbiased estimate of MMD^2, lemma 6; the median heuristic); Phipson and Smyth 2010,
"Permutation P-values Should Never Be Zero"; Lopez-Paz and Oquab 2017, arXiv:1610.06545 (a classifier that has not seen half of both samples,
and cannot tell that half apart more often than a coin). Differs: the bandwidth is the median over pairs of both samples together, which no
permutation changes, so that the test is exact; of the larger sample only as many rows are classified as of the smaller.
Not a cross-validated classifier: its answers are not independent, so that a binomial says "drift" too often (Noirhomme et al. 2014).
Golden: alibi-detect's mmd2_from_kernel_matrix with its GaussianRBF over both samples, float64, rtol 1e-5.
Axes: N rows of the reference, M rows of now, D embedding width, P permutations.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from components.contracts.errors import DataError

LEAST = 4  # rows of each sample, of which two are learned from and two are asked
ROUNDING = 1e-6  # of sums in float32: draws that are equal to what was seen count
_AT_ONCE = 512  # permutations


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a test gave.

    Args:
        statistic: how far the samples are apart: MMD^2, which is about 0 for one distribution, or the share that was told apart, about 0.5.
        p_value: in which share of cases it is as far or farther where both are of one distribution.
    """

    statistic: float
    p_value: float


def mmd(reference: Float[np.ndarray, "N D"], now: Float[np.ndarray, "M D"], permutations: int, seed: int) -> Found:
    """Return MMD^2, with as many permutations as are asked behind its p-value; DataError for samples that no test can be made of."""
    both = _both(reference, now)
    kernel = rbf(both)
    observed = mmd2(kernel, len(reference))
    draws = permuted(kernel, len(reference), permutations, seed)
    return Found(statistic=observed, p_value=(1 + int((draws >= observed - ROUNDING).sum())) / (1 + permutations))


def rbf(rows: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N N"]:
    """Return exp(-d / m) for the squared distance d of each pair, m being the middle one (the lower of two) of all pairs of two rows."""
    squares = (rows * rows).sum(1)
    distances = np.maximum(squares[:, None] + squares[None] - 2 * rows @ rows.T, 0)
    pairs = distances[np.triu_indices(len(rows), 1)]
    middle = float(np.partition(pairs, (len(pairs) - 1) // 2)[(len(pairs) - 1) // 2])
    return np.exp(-distances / max(middle, 1e-12))


def mmd2(kernel: Float[np.ndarray, "N N"], first: int) -> float:
    """Return the unbiased MMD^2 between the first rows and the others."""
    within, beyond, across = kernel[:first, :first], kernel[first:, first:], kernel[:first, first:]
    return float(_mean_of_pairs(within) + _mean_of_pairs(beyond) - 2 * across.mean())


def permuted(kernel: Float[np.ndarray, "N N"], first: int, permutations: int, seed: int) -> Float[np.ndarray, "P"]:
    """Return MMD^2 of as many draws of which rows are the first.

    With s marking the first rows, s K s is the sum within them, and all others follow from the sums of rows: one product of matrices for many draws.
    """
    rng, size = np.random.default_rng(seed), len(kernel)
    plain = (kernel - np.diag(np.diag(kernel))).astype(np.float32)
    rows, last = plain.sum(1, dtype=np.float64), size - first
    whole, found = rows.sum(), list[np.ndarray]()
    for start in range(0, permutations, _AT_ONCE):
        count = min(_AT_ONCE, permutations - start)
        marks = np.zeros((count, size), np.float32)
        marks[:, :first] = 1
        rng.permuted(marks, axis=1, out=marks)
        within = np.einsum("pn,pn->p", marks @ plain, marks, dtype=np.float64)
        across = marks @ rows - within
        beyond = whole - within - 2 * across
        found.append(within / (first * (first - 1)) + beyond / (last * (last - 1)) - 2 * across / (first * last))
    return np.concatenate(found)


def told_apart(reference: Float[np.ndarray, "N D"], now: Float[np.ndarray, "M D"], seed: int) -> Found:
    """Return the share of rows, of a half that it has not learned from, which a logistic regression gives to the right sample."""
    from scipy.stats import binomtest  # both take a second to import
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    _both(reference, now)
    rng, count = np.random.default_rng(seed), min(len(reference), len(now))
    learned = count // 2
    drawn = [rows[rng.permutation(len(rows))[:count]] for rows in (reference, now)]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1_000))
    model.fit(np.concatenate([rows[:learned] for rows in drawn]), np.repeat([0, 1], learned))
    asked = count - learned
    right = int((model.predict(np.concatenate([rows[learned:] for rows in drawn])) == np.repeat([0, 1], asked)).sum())
    p_value = float(binomtest(right, 2 * asked, 0.5, alternative="greater").pvalue)
    return Found(statistic=right / (2 * asked), p_value=p_value)


def _both(reference: Float[np.ndarray, "N D"], now: Float[np.ndarray, "M D"]) -> Float[np.ndarray, "B D"]:
    if min(len(reference), len(now)) < LEAST:
        raise DataError(
            f"two samples of {len(reference)} and {len(now)} rows cannot be compared. Give {LEAST} rows or more of each."
        )
    both = np.concatenate([reference, now]).astype(np.float64)
    if not np.isfinite(both).all():
        raise DataError(
            "some vectors have values that are no numbers, so nothing can be said of their distribution. Look at the weights of the model."
        )
    return both


def _mean_of_pairs(kernel: Float[np.ndarray, "N N"]) -> float:
    count = len(kernel)
    return float((kernel.sum() - np.trace(kernel)) / (count * (count - 1)))
