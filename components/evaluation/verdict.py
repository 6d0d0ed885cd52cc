"""Whether a claim holds, by the numbers of several seeds: a mean, how sure it is, and a word.

Source: Student 1908, "The probable error of a mean"; pairs by seed take out what the seed does to both arms alike.
An interval that holds 90% two-sided leaves 5% on the side of the margin, so `holds` is wrong once in twenty at most.
Axes: S seeds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from components.contracts.errors import DataError
from components.evaluation.student import student

CONFIDENCE = 0.90
MOST_CHOICES = 2_000
Outcome = Literal["holds", "does not hold", "underpowered"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of a claim.

    Args:
        outcome: `underpowered` when the margin lies within the interval: more seeds could say it.
        mean: of the seeds.
        low: end of the interval in which the mean of all seeds there could be lies, with CONFIDENCE.
        high: its other end.
        seeds: how many.
    """

    outcome: Outcome
    mean: float
    low: float
    high: float
    seeds: int

    def __str__(self) -> str:
        return f"{self.outcome}: {self.mean:.4g} ({self.low:.4g} to {self.high:.4g}, {self.seeds} seeds)"


def judged(values: Sequence[float], *, at_least: float | None = None, at_most: float | None = None) -> Verdict:
    """Return the verdict on a margin; DataError for fewer than two seeds, or numbers that are none.

    Args:
        values: of each seed, a difference or a ratio of two arms, or a number that stands alone.
        at_least: the margin, or
        at_most: the margin the other way.
    """
    mean, low, high = interval(values)
    if at_least is not None:
        outcome = _word(low >= at_least, high < at_least)
    else:
        assert at_most is not None
        outcome = _word(high <= at_most, low > at_most)
    return Verdict(outcome=outcome, mean=mean, low=low, high=high, seeds=len(values))


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean of the seeds, and both ends of its interval; DataError as of `judged`."""
    if len(values) < 2 or not all(math.isfinite(value) for value in values):
        raise DataError(
            f"the seeds gave {list(values)}, of which no interval can be made. Run two seeds or more, and look at those that gave no number."
        )
    mean = sum(values) / len(values)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
    reach = student(CONFIDENCE, len(values) - 1) * deviation / math.sqrt(len(values))
    return mean, mean - reach, mean + reach


def held_by_chance(differences: Sequence[float], seeds: int, margin: float, most: int = MOST_CHOICES) -> float:
    """Return the share of choices of seeds under which two trainings that are alike would be said to be so far apart, either way round.

    Args:
        differences: of two trainings of one recipe, a seed each.
        seeds: how many a claim has; all choices of so many, or `most` that are drawn where there are more.
        margin: what is claimed at least, 0 or more.

    Raises DataError for fewer differences than seeds.
    """
    count = len(differences)
    if not 2 <= seeds <= count:
        raise DataError(
            f"{count} seeds were trained twice, and claims have {seeds}. Train as many or more, and two at least."
        )
    if math.comb(count, seeds) <= most:
        chosen = np.array([*combinations(range(count), seeds)])
    else:
        luck = np.random.default_rng(0)
        chosen = np.stack([luck.choice(count, seeds, replace=False) for _ in range(most)])
    values = np.asarray(differences, float)[chosen]
    values = np.concatenate([values, -values])  # neither of the two is the baseline
    reach = student(CONFIDENCE, seeds - 1) * values.std(1, ddof=1) / math.sqrt(seeds)
    return float((values.mean(1) - reach >= margin).mean())


def together(outcomes: Sequence[Outcome]) -> Outcome:
    """Return one word for several claims, which must all hold."""
    if "does not hold" in outcomes:
        return "does not hold"
    return "underpowered" if "underpowered" in outcomes else "holds"


def _word(holds: bool, fails: bool) -> Outcome:
    return "holds" if holds else "does not hold" if fails else "underpowered"
