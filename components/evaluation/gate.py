"""Whether a challenger may take the champion's place: a paired bootstrap over the same queries, and what the rules make of it.

Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 16; Field and Welsh 2007 (whole groups are drawn, so that five
captions of a picture are not five times the evidence); Berger 1982, "Multiparameter hypothesis testing and acceptance sampling": where
each of several must be shown, each is shown at alpha, and all together at no more, so critical guards need no correction; Holm 1979,
"A simple sequentially rejective multiple test procedure": where one of several is enough to stop, as a guard that fell, the smallest
share is held against alpha / their number, and so on.
Differs: nothing.
Axes: G groups, T tallies of a metric, R draws, D of them that hold a query of each tally; one where there is one group alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from statistics import NormalDist

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float

from components.contracts.errors import DataError
from components.contracts.evaluate import Tally
from components.contracts.promotion import Bound, Finding, Guard, Held, Outcome, Rules, Ruling
from components.data.sources.settings import NOT_STATED
from components.evaluation.bootstrap import FEWEST, drawn, middle
from components.evaluation.outcomes import Evaluated, distinct_queries
from components.evaluation.ruled import amount, change, sentence
from components.evaluation.signs import CLOSE, signed

NAMED = 5  # pictures, of those that leak


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How two models differ in a metric, on the queries that both were asked.

    What is drawn says too much where hardly any answers differ: of none that do, none is drawn. So a difference must be beyond the bar by
    what else can be known, too: that models which are alike win and lose a group as often (signs), and that shares which lie apart by a
    margin cannot do so without some answers that differ (least).

    Args:
        ours: of the challenger.
        theirs: of the champion.
        value: the difference, above 0 where the challenger is better.
        draws: the difference of each draw.
        signs: what the difference would be if who is who were drawn anew in each group.
        share: whether the metric is a share, from 0 to 1.
        queries: that were asked.
        groups: of them.
    """

    ours: float
    theirs: float
    value: float
    draws: Float[np.ndarray, "D"]
    signs: Float[np.ndarray, "R"]
    share: bool
    queries: int
    groups: int

    def above(self, bar: float) -> float:
        """Return in which share of cases as good as these the difference would not be above the bar: small where it is shown to be."""
        return max(_share(self.draws <= bar), self._known(self.value - bar, bar))

    def below(self, bar: float) -> float:
        """Return the same for a difference that is below the bar."""
        return max(_share(self.draws >= bar), self._known(bar - self.value, bar))

    def _known(self, beyond: float, bar: float) -> float:
        """Return how often a difference would be beyond the bar by so much where it is the bar."""
        if bar == 0:
            return _share(self.signs >= beyond - CLOSE)
        if not self.share:
            return 0.0
        least = (max(0.0, abs(bar) * (1 - abs(bar))) / self.groups) ** 0.5
        return 1 - NormalDist().cdf(beyond / least) if least > 0 else 0.0

    def more(self, bar: float, rules: Rules) -> int | None:
        """Return how many queries besides would show a difference such as this to be above the bar; None where no number would."""
        beyond, spread = self.value - bar, float(self.draws.std())
        if beyond <= CLOSE:
            return None
        sure = NormalDist().inv_cdf(1 - rules.alpha)
        wanted = beyond / (sure + NormalDist().inv_cdf(rules.power))
        least = 0.0  # times as many groups as there are, as of `_known`
        if self.share:
            least = abs(bar) * (1 - abs(bar)) * (sure / beyond) ** 2 / self.groups
        return max(1, FEWEST - self.groups, ceil(self.queries * (max((spread / wanted) ** 2, least) - 1)))


def _share(found: Bool[np.ndarray, "R"]) -> float:
    """Return in which share of draws, and of one more, for there is never none."""
    return (1 + int(found.sum())) / (1 + len(found))


def judge(
    ours: Evaluated, theirs: Evaluated | None, rules: Rules, seed: int = 0, also: Sequence[Finding] = ()
) -> Ruling:
    """Return what becomes of a challenger.

    Args:
        ours: its evaluation.
        theirs: the champion's, on the same data; None where there is no champion, and it is enough to be measured and to keep the bounds.
        seed: of the draws.
        also: what was found besides, that has no queries: it fails or holds, or is `uncertain`, which is for a person to say.

    DataError where both were asked other queries: measure the champion again first.
    """
    findings = [*also, *leaks(ours), *licensed(ours, rules), *(bounded(one, ours, theirs) for one in rules.bounds)]
    beside = (
        unmeasured(ours, rules)
        if theirs is None
        else [won(ours, theirs, rules, seed), *guarded(ours, theirs, rules, seed)]
    )
    findings = [*beside, *findings]
    outcome = _outcome(findings)
    champion = None if theirs is None else theirs.label
    said = sentence(outcome, ours.label, champion, findings)
    return Ruling(outcome=outcome, challenger=ours.label, champion=champion, sentence=said, findings=tuple(findings))


def _outcome(findings: Sequence[Finding]) -> Outcome:
    held = {one.held for one in findings}
    if held & {"fails", "missing"}:
        return "kept"
    if any(one.held == "uncertain" and one.queries is None for one in findings):
        return "needs_a_person"
    return "inconclusive" if "uncertain" in held else "promoted"


def unmeasured(ours: Evaluated, rules: Rules) -> list[Finding]:
    """Return which metrics that the next challenger is to be compared in were not measured of the first."""
    named = [("primary", rules.primary), *((guard.tier, guard.metric) for guard in rules.guards)]
    says = f"was not measured of {ours.label}, so nobody knows what it is worth, nor could the next be held against it"
    return [
        Finding(rule=rule, metric=metric, held="told" if rule == "advisory" else "missing", says=says)
        for rule, metric in named
        if metric not in ours.metrics
    ]


def won(ours: Evaluated, theirs: Evaluated, rules: Rules, seed: int) -> Finding:
    """Return whether the primary metric is shown to be better, or, with a margin, not to be worse by more than that."""
    name, bar = rules.primary, -rules.margin
    if (lacking := _lacking(name, "primary", ours, theirs)) is not None:
        return lacking
    found = compared(ours, theirs, name, rules, seed)
    shown, refuted = found.above(bar) <= rules.alpha, found.below(bar) <= rules.alpha
    more = None if shown else found.more(bar, rules)
    held: Held = "holds" if shown else "fails" if refuted or more is None else "uncertain"
    if found.groups < FEWEST:
        held = "uncertain"
    wish = "better" if rules.margin == 0 else f"not worse by more than {change(ours.metrics[name], rules.margin)}"
    words = {"holds": f"shown to be {wish}", "fails": f"not {wish}" if rules.margin == 0 else f"not shown to be {wish}"}
    says = words.get(held, f"not shown to be {wish}, nor the contrary")
    if held == "uncertain" and more is None:
        more = max(1, FEWEST - found.groups)
    return _finding("primary", name, held, says, found, rules.margin, more if held == "uncertain" else None, rules)


def guarded(ours: Evaluated, theirs: Evaluated, rules: Rules, seed: int) -> list[Finding]:
    """Return what came of each guard. That one fell is shown with all of them in view; that a critical one did not, for it alone."""
    findings: dict[str, Finding] = {}
    differences: dict[str, Difference] = {}
    for guard in rules.guards:
        lacking = _lacking(guard.metric, guard.tier, ours, theirs)
        if lacking is not None:
            findings[guard.metric] = lacking
        else:
            differences[guard.metric] = compared(ours, theirs, guard.metric, rules, seed)
    guards = [one for one in rules.guards if one.metric in differences]
    fell = fallen(
        {
            one.metric: differences[one.metric].below(-one.margin)
            for one in guards
            if one.tier != "advisory" and differences[one.metric].groups >= FEWEST
        },
        rules.alpha,
    )
    for guard in guards:
        findings[guard.metric] = _guard(guard, differences[guard.metric], guard.metric in fell, ours, rules)
    return [findings[guard.metric] for guard in rules.guards]


def _guard(guard: Guard, found: Difference, fell: bool, ours: Evaluated, rules: Rules) -> Finding:
    margin = change(ours.metrics[guard.metric], guard.margin)
    kept_up = found.above(-guard.margin) <= rules.alpha and found.groups >= FEWEST
    more = None
    held: Held
    if guard.tier == "advisory":
        held, says = (
            "told",
            f"shown not to fall by more than {margin}" if kept_up else f"not shown not to fall by more than {margin}",
        )
    elif fell:
        held, says = "fails", f"shown to fall by more than {margin}"
    elif kept_up:
        held, says = "holds", f"shown not to fall by more than {margin}"
    elif guard.tier == "supporting":
        held, says = "holds", f"not shown to fall by more than {margin}"
    else:
        more = found.more(-guard.margin, rules)
        held, says = "uncertain", f"not shown not to fall by more than {margin}"
    return _finding(guard.tier, guard.metric, held, says, found, guard.margin, more, rules)


def fallen(shares: Mapping[str, float], alpha: float) -> set[str]:
    """Return which of several are shown, by Holm's step-down: that any is named that did not deserve it happens in alpha of all cases.

    Args:
        shares: name -> in which share of cases it would look so without being so.
    """
    named: set[str] = set()
    for place, name in enumerate(sorted(shares, key=lambda one: shares[one])):
        if shares[name] > alpha / (len(shares) - place):
            break
        named.add(name)
    return named


def leaks(ours: Evaluated) -> list[Finding]:
    """Return of each pool whether a picture of it was trained on, and which, as the evaluator Leakage found; nothing where it was not asked."""
    found = []
    for name, metric in ours.metrics.items():
        kind, _, split = name.partition(".")
        if kind != "leakage":
            continue
        keys = [row["query"] for row in ours.rows[kind].to_pylist() if row["leaked"] and row["split"] == split]
        says = (
            f"{len(keys)} of {metric['n']} pictures of {split} were trained on, such as {some_of(keys)}"
            if keys
            else "none was trained on"
        )
        found.append(
            Finding(
                rule="leakage", metric=name, held="fails" if keys else "holds", says=says, ours=float(metric["value"])
            )
        )
    return found


def some_of(keys: Sequence[str]) -> str:
    """Return the first of the pictures that leak, as a sentence names them."""
    return f"{', '.join(keys[:NAMED])}{' and others' if len(keys) > NAMED else ''}"


def licensed(ours: Evaluated, rules: Rules) -> list[Finding]:
    """Return whether the licence of everything trained on is stated, where the rules ask."""
    if rules.licences == "any":
        return []
    without, known = ours.licences.get(NOT_STATED, 0), sum(ours.licences.values())
    if known and not without:
        says = f"the licence of all {known:,} pictures trained on is stated"
        return [Finding(rule="licences", metric="licences", held="holds", says=says)]
    says = (
        f"of {without:,} of {known:,} pictures trained on no licence is stated"
        if known
        else "nobody wrote down which licences were trained on"
    )
    return [Finding(rule="licences", metric="licences", held="uncertain", says=says)]


def bounded(bound: Bound, ours: Evaluated, theirs: Evaluated | None) -> Finding:
    """Return whether a number is what it must be."""
    name = bound.metric
    if name not in ours.metrics:
        return Finding(rule="bound", metric=name, held="missing", says=f"{ours.label} was not measured on it")
    value, champion = float(ours.metrics[name]["value"]), None
    wrong = []
    if bound.at_least is not None and value < bound.at_least:
        wrong.append(f"at least {amount(ours.metrics[name], bound.at_least)}")
    if bound.at_most is not None and value > bound.at_most:
        wrong.append(f"at most {amount(ours.metrics[name], bound.at_most)}")
    if bound.at_most_times is not None and theirs is not None:
        if name not in theirs.metrics:
            says = f"{theirs.label}, the champion, was not measured on it, so nothing can be a multiple of what it has"
            return Finding(rule="bound", metric=name, held="uncertain", says=says, ours=value)
        champion = float(theirs.metrics[name]["value"])
        if value > bound.at_most_times * champion:
            wrong.append(
                f"at most {bound.at_most_times:g} times the champion's {amount(theirs.metrics[name], champion)}"
            )
    says = f"must be {' and '.join(wrong)}" if wrong else "is within its bounds"
    return Finding(
        rule="bound", metric=name, held="fails" if wrong else "holds", says=says, ours=value, theirs=champion
    )


def compared(ours: Evaluated, theirs: Evaluated, metric: str, rules: Rules, seed: int) -> Difference:
    """Return how the two differ in a metric, groups of queries drawn together; DataError where they were asked other queries."""
    tallies = ours.tallies(metric)
    pairs = [_paired(ours, theirs, metric, tally) for tally in tallies]
    groups = (
        pa.chunked_array([chunk for pair in pairs for chunk in pair["group"].chunks])
        .dictionary_encode()
        .combine_chunks()
    )
    places, sums = groups.indices.to_numpy(), np.zeros((len(groups.dictionary), 3 * len(tallies)))
    for at, pair in enumerate(pairs):  # of each tally: ours, theirs, queries
        rows, places = places[: len(pair)], places[len(pair) :]
        for which, values in enumerate((pair["ours"].to_numpy(), pair["theirs"].to_numpy(), np.ones(len(pair)))):
            sums[:, 3 * at + which] = np.bincount(rows, values, len(sums))
    sign = 1.0 if ours.metrics[metric]["better"] == "up" else -1.0
    mine, champion = (_mean(sums.sum(0)[None], which)[0] for which in (0, 1))
    again = drawn(sums, seed, rules.draws) if len(sums) > 1 else sums
    with np.errstate(invalid="ignore", divide="ignore"):  # a draw may hold no query of a tally
        draws = sign * (_mean(again, 0) - _mean(again, 1))
    apart = ((sums[:, 0::3] - sums[:, 1::3]) / sums[:, 2::3].sum(0)).mean(1)  # what each group gives to the difference
    return Difference(
        ours=float(mine), theirs=float(champion), value=float(sign * (mine - champion)), draws=draws[np.isfinite(draws)],
        signs=signed(apart, [seed, 1], rules.draws), share=ours.metrics[metric]["unit"] == "fraction", queries=distinct_queries(tallies, pairs), groups=len(sums),
    )  # fmt: skip


def _mean(sums: Float[np.ndarray, "R S"], which: int) -> Float[np.ndarray, "R"]:
    """Return of sums of ours, theirs and queries, tally by tally, the mean over the tallies of the shares of one side."""
    shares: Float[np.ndarray, R] = (sums[:, which::3] / sums[:, 2::3]).mean(1)
    return shares


def _paired(ours: Evaluated, theirs: Evaluated, metric: str, tally: Tally) -> pa.Table:
    """Return `query`, `group`, `ours` and `theirs` of the queries, by query."""
    mine = ours.counted(tally)
    if tally not in theirs.tallies(metric):
        raise DataError(
            f"{metric} of {theirs.label} is counted over other rows than that of {ours.label}, as where recall at other k was asked for. Measure "
            "the champion again."
        )
    champion = theirs.counted(tally)
    if not mine["query"].equals(champion["query"]):
        only = sorted(set(mine["query"].to_pylist()) ^ set(champion["query"].to_pylist()))
        raise DataError(
            f"{ours.label} and {theirs.label} were not asked the same queries of {metric}: {len(only)} are of one alone, such as {only[0]!r}. "
            "Measure the champion again on today's data."
        )
    values = mine["value"].to_numpy(), champion["value"].to_numpy()
    if not all(np.isfinite(one).all() for one in values):
        raise DataError(f"rows of {metric} have values that are no numbers, so nothing can be said of their mean.")
    return pa.table({"query": mine["query"], "group": mine["group"], "ours": values[0], "theirs": values[1]})


def _lacking(metric: str, rule: str, ours: Evaluated, theirs: Evaluated) -> Finding | None:
    """Return what is missing for a comparison: of the challenger a no; of the champion for a person to judge, or told."""
    if metric not in ours.metrics or not ours.tallies(metric):
        why = "was not measured on it" if metric not in ours.metrics else "kept no row a query of it"
        held: Held = "told" if rule == "advisory" else "missing"
        return Finding(rule=rule, metric=metric, held=held, says=f"{ours.label} {why}")
    if metric not in theirs.metrics or not theirs.tallies(metric):
        held = "uncertain" if rule in ("primary", "critical") else "told"
        says = f"{theirs.label}, the champion, was not measured on it, so nothing can be compared"
        return Finding(rule=rule, metric=metric, held=held, says=says, ours=float(ours.metrics[metric]["value"]))
    return None


def _finding(
    rule: str, metric: str, held: Held, says: str, found: Difference, margin: float, more: int | None, rules: Rules
) -> Finding:
    low, high = middle(found.draws, 1 - 2 * rules.alpha)
    finding = Finding(
        rule=rule, metric=metric, held=held, says=says, ours=found.ours, theirs=found.theirs, difference=found.value,
        low=low, high=high, margin=margin, queries=found.queries, groups=found.groups, more=more,
    )  # fmt: skip
    if found.groups >= FEWEST:
        return finding
    return replace(finding, says=f"{says}: there are {found.groups} groups of queries, and {FEWEST} are the fewest")
