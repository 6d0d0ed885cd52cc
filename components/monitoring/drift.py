"""Is what is asked now what was usual? A line for each thing that can be asked, and a verdict over all of them.

Of all lines of a look that call drift where there is none there is one in `alpha` of the looks: Holm 1979 over vectors and languages alike
(`components.evaluation.gate.fallen`). No permutation test shows less than one in as many as it draws, so of many lines more are drawn than the watch says:
as many as the smallest of all shares is held against. Scores of a language are held against each other by Kolmogorov and Smirnov's test.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Literal

import numpy as np

from components.contracts.monitor import Watch
from components.evaluation.gate import fallen
from components.monitoring.reference import Reference
from components.monitoring.requests import Requests, drawn
from components.monitoring.two_sample import LEAST, mmd, told_apart

Outcome = Literal["drift", "no drift found", "cannot tell"]
SIDES = {"text": "texts", "image": "pictures"}
NAMES = {
    "mmd": "kernel distance (MMD²)",
    "classifier": "told apart by a classifier",
    "ks": "Kolmogorov-Smirnov",
}
VECTOR_TESTS = 2 * len(SIDES)  # at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What one test gave.

    Args:
        of: `texts`, `pictures`, or such as `scores in de`.
        test: a key of NAMES.
        rows: of now that were compared, or are there where they are too few.
        reference_rows: likewise of the reference.
        statistic: what the test measures; None where it was not made.
        p_value: in which share of cases it would look so without drift; None likewise.
        outcome: with all other lines of the look corrected for.
        says: why it cannot be told; empty where it can.
    """

    of: str
    test: str
    rows: int
    reference_rows: int
    statistic: float | None = None
    p_value: float | None = None
    outcome: Outcome = "cannot tell"
    says: str = ""


def look_for_drift(requests: Requests, reference: Reference | None, watch: Watch, seed: int) -> list[Line]:
    """Return a line for each side and each language of the requests; those of which there are too few cannot be told.

    Args:
        requests: of one package.
        reference: of the same; None where there is none.
        watch: the numbers.
        seed: of draws and permutations.
    """
    scores = list(_scores(requests, reference, watch, seed))
    most = VECTOR_TESTS + sum(line.p_value is not None for line in scores)
    rare = replace(watch, permutations=max(watch.permutations, ceil(most / watch.alpha)))
    lines = [*_vectors(requests, reference, rare, seed), *scores]
    shown = fallen({f"{at}": line.p_value for at, line in enumerate(lines) if line.p_value is not None}, watch.alpha)
    return [
        line if line.p_value is None else replace(line, outcome="drift" if f"{at}" in shown else "no drift found")
        for at, line in enumerate(lines)
    ]


def outcome_of(lines: Sequence[Line]) -> Outcome:
    """Return what all lines come to: drift where one shows it, and that it cannot be told where none could."""
    found = {line.outcome for line in lines}
    return "drift" if "drift" in found else "no drift found" if "no drift found" in found else "cannot tell"


def distances(
    windows: Sequence[Requests], reference: Reference | None, watch: Watch, seed: int
) -> dict[str, list[float | None]]:
    """Return MMD² of each window by side, for a picture of how it went; None for one of too few rows."""
    rng, least = np.random.default_rng(seed), max(LEAST, watch.least_rows // 4)
    known: Mapping[str, np.ndarray] = {} if reference is None else reference.sides
    return {
        side: [
            mmd(usual, rows, 1, seed).statistic
            if len(rows := window.vectors(side, watch.most_rows // 4, seed)) >= least
            else None
            for window in windows
        ]
        for side in SIDES
        if len(usual := drawn(known.get(side, np.zeros((0, 0))), watch.most_rows // 2, rng)) >= watch.least_rows
    }


def _vectors(requests: Requests, reference: Reference | None, watch: Watch, seed: int) -> Iterator[Line]:
    rng = np.random.default_rng(seed)
    for side, of in SIDES.items():
        now = requests.vectors(side, watch.most_rows, seed)
        usual = np.zeros((0, 0)) if reference is None else drawn(reference.sides[side], watch.most_rows, rng)
        if says := _too_few(len(now), len(usual), f"distinct {of}", watch):
            yield Line(of=of, test="mmd", rows=len(now), reference_rows=len(usual), says=says)
            continue
        found = {"mmd": mmd(usual, now, watch.permutations, seed), "classifier": told_apart(usual, now, seed)}
        for test, one in found.items():
            yield Line(
                of=of, test=test, rows=len(now), reference_rows=len(usual), statistic=one.statistic, p_value=one.p_value
            )  # fmt: skip


def _scores(requests: Requests, reference: Reference | None, watch: Watch, seed: int) -> Iterator[Line]:
    from scipy.stats import ks_2samp  # a second to import

    rng = np.random.default_rng(seed)
    for lang, every in requests.scores().items():
        of, now = f"scores in {lang}", drawn(every, watch.most_rows, rng)
        known = np.zeros(0) if reference is None else reference.scores.get(lang, np.zeros(0))
        usual = drawn(known, watch.most_rows, rng)
        if says := _too_few(len(now), len(usual), f"distinct searches in {lang}", watch):
            yield Line(of=of, test="ks", rows=len(now), reference_rows=len(usual), says=says)
            continue
        found = ks_2samp(usual, now)
        yield Line(
            of=of, test="ks", rows=len(now), reference_rows=len(usual), statistic=float(found.statistic), p_value=float(found.pvalue)
        )  # fmt: skip


def _too_few(now: int, usual: int, what: str, watch: Watch) -> str:
    """Return why nothing can be told of as many rows; empty where it can."""
    if now < watch.least_rows:
        return f"{now} {what}, and {watch.least_rows} are needed: {watch.least_rows - now} more"
    if usual < watch.least_rows:
        return f"the reference has {usual} {what}, and {watch.least_rows} are needed"
    return ""
