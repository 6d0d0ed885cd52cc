"""Several runs side by side: of each number, how far every arm is from one of them, and how sure that is.

Source: Miller 2024, arXiv:2411.00640, sections 2 and 4 (differences query by query, queries that belong together drawn together); Student 1908
(what another seed does). Differs: both are in the interval where an arm has several runs, added as independent errors, each by its own quantile;
of one run an arm, what another seed would do is not known, and is not in it. How many comparisons there are is corrected for by Bonferroni: beyond
twelve of them its tails hold fewer than 20 of 10,000 draws, and are drawn out from there as a normal's (`far_middle`). Of fewer than FEWEST groups what is
drawn is too narrow, and its ends lie further out as Student's t does (after Hesterberg 2015, doi:10.1080/00031305.2015.1089789, who moves the quantile, where
here its distance is multiplied); nothing is said to be apart, as in the gate. Where there are more, that arms are apart must be rare among signs that are drawn, too (signs.py).
Axes: G groups of queries, A arms, R draws.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from statistics import NormalDist

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from components.contracts.errors import ConfigError, DataError
from components.contracts.evaluate import CLOSE
from components.evaluation.bootstrap import CONFIDENCE, FEWEST, TAIL_DRAWS, drawn, middle
from components.evaluation.outcomes import Evaluated, asked_otherwise, distinct_queries, incomparable
from components.evaluation.signs import reach
from components.evaluation.student import student


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One number of one arm.

    Args:
        metric: its name.
        arm: whose.
        value: the mean of the arm's runs.
        runs: how many.
        difference: to the arm that all are held against; None for that arm, and where the two cannot be compared.
        low: end of its 95% interval; None likewise.
        high: its other end.
        apart: whether it is not 0, corrected for all comparisons of the study.
        queries: over how many it was taken.
        why: why the two cannot be compared; empty where they can.
        otherwise: whether they were asked in other ways, as by other prompts, which is then part of the difference.
    """

    metric: str
    arm: str
    value: float
    runs: int
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    apart: bool = False
    queries: int = 0
    why: str = ""
    otherwise: bool = False


def study(
    arms: Mapping[str, Sequence[Evaluated]], against: str | None = None, metrics: Sequence[str] = ("*",), seed: int = 0
) -> list[Line]:
    """Return a line for each number and arm, number by number.

    Args:
        arms: name -> its runs, one or several; those of two arms with as many runs are paired in their order, as seeds are.
        against: the arm that others are held against; the first unless given.
        metrics: patterns of names, such as `retrieval.*`; those that no row a query was kept of are left out.
        seed: of the draws.

    ConfigError for fewer than two arms, an arm without runs, an unknown `against`, and patterns that fit nothing.
    """
    if len(arms) < 2 or not all(arms.values()):
        raise ConfigError(
            f"there is {', '.join(arms) or 'nothing'} to compare, but a study takes two arms or more, each with a run."
        )
    first = next(iter(arms)) if against is None else against
    if first not in arms:
        raise ConfigError(f"{first!r} is none of the arms. They are {', '.join(arms)}.")
    base = arms[first][0]
    names = [name for name in base.metrics if base.tallies(name) and any(fnmatchcase(name, one) for one in metrics)]
    if not names:
        known = ", ".join(dict.fromkeys(name.split(".")[0] for name in base.metrics if base.tallies(name)))
        raise ConfigError(
            f"{' '.join(metrics)} fits no number of {base.label} that rows were kept of. It has such of {known or 'none'}; name them like "
            "'retrieval.*'."
        )
    level = 1 - (1 - CONFIDENCE) / comparisons(names, arms)
    return [line for name in names for line in _lines(name, arms, first, seed, level)]


def comparisons(names: Sequence[str], arms: Mapping[str, Sequence[Evaluated]]) -> int:
    """Return how many comparisons are corrected for: each number of each arm but the one that others are held against, made or not."""
    return len(names) * (len(arms) - 1)


def left_out(
    arms: Mapping[str, Sequence[Evaluated]], against: str | None = None, metrics: Sequence[str] = ("*",)
) -> list[str]:
    """Return the numbers that `study` has no line of, by name: an arm has rows of them, and the one that others are held against has none."""
    base = arms[next(iter(arms)) if against is None else against][0]
    having = {name for runs in arms.values() for one in runs for name in one.metrics if one.tallies(name)}
    return sorted(
        name
        for name in having
        if any(fnmatchcase(name, one) for one in metrics) and not (name in base.metrics and base.tallies(name))
    )


def _lines(name: str, arms: Mapping[str, Sequence[Evaluated]], first: str, seed: int, level: float) -> Iterator[Line]:
    """Yield a line for each arm that has the metric, the one that others are held against among them."""
    base = arms[first]
    for arm, runs in arms.items():
        having = [one for one in runs if name in one.metrics]
        if not having:
            continue
        value = float(np.mean([one.metrics[name]["value"] for one in having]))
        why = next(filter(None, (incomparable(base[0], one, name) for one in (*base, *runs))), "")
        if arm == first:
            yield Line(metric=name, arm=arm, value=value, runs=len(having))
        elif why:
            yield Line(metric=name, arm=arm, value=value, runs=len(having), why=why)
        else:
            try:
                apart = apart_by(runs, base, name, seed, (CONFIDENCE, level))
            except DataError as err:
                yield Line(metric=name, arm=arm, value=value, runs=len(having), why=str(err))
                continue
            low, high = apart.ends[0]
            yield Line(
                metric=name, arm=arm, value=value, runs=len(runs), difference=apart.value, low=low, high=high, apart=apart.shown, queries=apart.queries,
                otherwise=any(asked_otherwise(base[0], one, name) for one in (*base, *runs)),
            )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """How far two arms are apart.

    Args:
        value: the difference.
        ends: of its interval, for each confidence that was asked.
        shown: whether it is not 0, by the last of these confidences; of fewer than FEWEST groups never.
        queries: that were asked.
    """

    value: float
    ends: tuple[tuple[float, float], ...]
    shown: bool
    queries: int


def apart_by(
    ours: Sequence[Evaluated], theirs: Sequence[Evaluated], metric: str, seed: int, confidences: Sequence[float]
) -> Apart:
    """Return the mean of ours less the mean of theirs; DataError where they were asked other queries, or all about one thing.

    Args:
        ours: an arm's runs.
        theirs: the other's.
        metric: which number.
        seed: of the draws.
        confidences: an interval each; by the last it is said whether the two are apart.
    """
    sums, places, queries = _sums([*ours, *theirs], metric)
    if len(sums) < 2:
        raise DataError("all queries are about one thing, of which no interval can be made")

    def shares(of: Float[np.ndarray, "R S"], over: Float[np.ndarray, "_ S"]) -> Float[np.ndarray, "R A"]:
        each = [[of[:, at] / over[:, count] for at, count in tallies] for tallies in places]
        return np.stack([np.mean(one, 0) for one in each], 1)

    def between(of: Float[np.ndarray, "R A"]) -> Float[np.ndarray, "R"]:
        apart: Float[np.ndarray, R] = of[:, : len(ours)].mean(1) - of[:, len(ours) :].mean(1)
        return apart

    all_of_them = sums.sum(0)[None]
    whole = shares(all_of_them, all_of_them)
    value = float(between(whole)[0])
    again = drawn(sums, seed)
    with np.errstate(invalid="ignore", divide="ignore"):  # a draw may hold no query of a tally
        asked = between(shares(again, again)) - value
    most = 1.0 if ours[0].metrics[metric]["unit"] == "fraction" else math.inf
    ends, by_seeds = [], [of_seeds(whole[0, : len(ours)], whole[0, len(ours) :], one) for one in confidences]
    for confidence, seeds in zip(confidences, by_seeds, strict=True):
        low, high = (of_few(len(sums), confidence) * end for end in far_middle(asked, confidence))
        ends.append((max(-most, value - float(np.hypot(low, seeds))), min(most, value + float(np.hypot(high, seeds)))))
    shown = False
    if len(sums) >= FEWEST:
        lowest, highest = ends[-1]
        alike = float(np.hypot(reach(between(shares(sums, all_of_them)), [seed, 1], confidences[-1]), by_seeds[-1]))
        shown = not lowest <= 0 <= highest and abs(value) > alike + CLOSE
    return Apart(value=value, ends=tuple(ends), shown=shown, queries=queries)


def of_few(groups: int, confidence: float) -> float:
    """Return how many times as far an interval's ends lie where what is drawn are so few groups; 1 from FEWEST on, where it says little.

    Draws are narrower than what they are drawn from by the root of (G - 1) / G, and a spread that is known from G groups is uncertain, as Student's t has it.
    """
    if groups >= FEWEST:
        return 1.0
    return student(confidence, groups - 1) / NormalDist().inv_cdf((1 + confidence) / 2) * (groups / (groups - 1)) ** 0.5


def far_middle(asked: Float[np.ndarray, "R"], confidence: float) -> tuple[float, float]:
    """Return both ends of the middle part of draws about 0, however far out.

    An end beyond which fewer than TAIL_DRAWS draws lie would be the draws' extreme, which is no nearer to the truth for 10,000 comparisons than for 300.
    It is the end beyond which so many lie, times what a normal's quantile there grows by; each side by its own, so that draws that are skewed stay so.
    """
    told = 1 - 2 * TAIL_DRAWS / len(asked)
    if confidence <= told:
        return middle(asked, confidence)
    low, high = middle(asked, told)
    grows = NormalDist().inv_cdf((1 - confidence) / 2) / NormalDist().inv_cdf((1 - told) / 2)
    return grows * low, grows * high


def of_seeds(ours: Float[np.ndarray, "_"], theirs: Float[np.ndarray, "_"], confidence: float) -> float:
    """Return how far the mean difference of two arms reaches by which seeds were run: 0 where no arm has a second run.

    Arms with as many runs are paired; else the two vary each for itself, with the degrees of freedom of Welch 1947.
    """
    if len(ours) == len(theirs):
        parts = [(ours - theirs).var(ddof=1) / len(ours)] if len(ours) > 1 else []
        free = len(ours) - 1.0
    else:
        many = [one for one in (ours, theirs) if len(one) > 1]
        parts = [float(one.var(ddof=1)) / len(one) for one in many]
        below = sum(part**2 / (len(one) - 1) for part, one in zip(parts, many, strict=True))
        free = sum(parts) ** 2 / below if below else 1.0
    return float(student(confidence, free) * np.sqrt(sum(parts))) if any(parts) else 0.0


def _sums(runs: Sequence[Evaluated], metric: str) -> tuple[Float[np.ndarray, "G S"], list[list[tuple[int, int]]], int]:
    """Return the sums of each group, of each run where the values and the number of queries of each tally stand, and how many queries there are."""
    tallies = runs[0].tallies(metric)
    columns: list[tuple[np.ndarray, np.ndarray]] = []  # groups and values, of queries
    places: list[list[tuple[int, int]]] = [[] for _ in runs]
    counted: list[pa.Table] = []
    for tally in tallies:
        tables = [run.counted(tally) for run in runs]
        for run, table in zip(runs, tables, strict=True):
            if not table["query"].equals(tables[0]["query"]):
                raise DataError(f"{run.label} and {runs[0].label} were not asked the same queries")
        about = tables[0]["group"].to_numpy(zero_copy_only=False)
        count = len(columns)
        columns.append((about, np.ones(len(about))))
        for place, table in enumerate(tables):
            places[place].append((len(columns), count))
            columns.append((about, table["value"].to_numpy()))
        counted.append(tables[0])
    numbers = {group: number for number, group in enumerate(dict.fromkeys(one for of, _ in columns for one in of))}
    sums = np.zeros((len(numbers), len(columns)))
    for place, (of, values) in enumerate(columns):
        if not np.isfinite(values).all():
            raise DataError(f"rows of {metric} have values that are no numbers, so nothing can be said of their mean")
        np.add.at(sums[:, place], [numbers[group] for group in of], values)
    return sums, places, distinct_queries(tallies, counted)
