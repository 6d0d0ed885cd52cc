"""How a new version fares beside the one that is served, by what the gateway counts of both while each gets a share of the requests."""

import math
import urllib.request
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import NormalDist

from prometheus_client.parser import text_string_to_metric_families

from components.contracts.deploying import Deploying
from components.contracts.errors import TransientError
from components.serving.record import read_gateway

FETCH_S = 5.0
ALPHA = 0.001
SURELY = NormalDist().inv_cdf(1 - ALPHA)  # standard errors


@dataclass(slots=True, kw_only=True)
class Counts:
    """What a version has done so far, or between two looks.

    Args:
        answered, failed: questions; one that is refused for what it holds is the client's, and in neither.
        seconds: of all questions.
        squares: of the seconds of each, summed.
        timed: questions that these are of: those that clients gave up, too, which say that it takes long.
        scores: route -> (upper bound of a bin -> best answers at or below it).
        began: when the gateway began to count, in seconds since 1970; None of one that does not tell, or of a version that it has not counted.
    """

    answered: float = 0.0
    failed: float = 0.0
    seconds: float = 0.0
    squares: float = 0.0
    timed: float = 0.0
    scores: dict[str, dict[float, float]] = field(default_factory=lambda: defaultdict(dict))
    began: float | None = None

    @property
    def asked(self) -> float:
        """Return how many questions there were."""
        return self.answered + self.failed

    @property
    def mean_s(self) -> float:
        """Return the mean seconds of a question; 0 where there was none."""
        return self.seconds / self.timed if self.timed else 0.0

    @property
    def error_s(self) -> float:
        """Return the standard error of the mean seconds of a question; infinite for fewer than two, which say nothing of how they vary."""
        if self.timed < 2:
            return math.inf
        spread = self.squares - self.timed * self.mean_s**2
        if spread < -1e-9 * self.squares:  # the two were read a moment apart, and one answered between
            return math.inf
        return math.sqrt(max(0.0, spread) / (self.timed - 1) / self.timed)

    def since(self, before: "Counts") -> "Counts":
        """Return what has come after an earlier look; all of it where the gateway was started again meanwhile, which begins at 0."""
        if self.began_after(before):
            return self
        return Counts(
            answered=self.answered - before.answered, failed=self.failed - before.failed, seconds=self.seconds - before.seconds,
            squares=self.squares - before.squares, timed=self.timed - before.timed, began=self.began,
            scores={
                route: {bound: count - before.scores.get(route, {}).get(bound, 0.0) for bound, count in bins.items()}
                for route, bins in self.scores.items()
            },
        )  # fmt: skip

    def began_after(self, before: "Counts") -> bool:
        """Return whether the gateway was started again since an earlier look: it says so, or has counted less."""
        return self.began != before.began or self.asked < before.asked or self.timed < before.timed


def counts_of(root: Path) -> dict[str, Counts]:
    """Return label -> counts since the gateway of a workspace began; none where it has no gateway. TransientError where it does not answer."""
    gateway = read_gateway(root)
    if gateway is None:
        return {}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{gateway.url}metrics", timeout=FETCH_S) as answer:
            return counted(answer.read().decode())
    except OSError as err:
        raise TransientError(f"the gateway at {gateway.url} does not say what it counts: {err}") from err


def counted(exposition: str) -> dict[str, Counts]:
    """Read the counts of versions from what Prometheus would read."""
    found: dict[str, Counts] = defaultdict(Counts)
    began = None
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            label = sample.labels.get("version", "")
            if sample.name == "diptych_version_requests_total" and sample.labels["outcome"] in ("answered", "failed"):
                outcome = sample.labels["outcome"]
                setattr(found[label], outcome, getattr(found[label], outcome) + sample.value)
            elif sample.name == "diptych_version_seconds_sum":
                found[label].seconds += sample.value
            elif sample.name == "diptych_version_seconds_count":
                found[label].timed += sample.value
            elif sample.name == "diptych_version_seconds_squared_total":
                found[label].squares += sample.value
            elif sample.name == "diptych_best_score_bucket":
                bins, bound = found[label].scores[sample.labels["route"]], float(sample.labels["le"])
                bins[bound] = bins.get(bound, 0.0) + sample.value
            elif sample.name == "diptych_start_time_seconds":
                began = sample.value
    for its in found.values():
        its.began = began
    return dict(found)


class Judged:
    """What is held against a version beside the one that is served, from its first request on.

    Failures speak against it where one that fails as often as the other, and by `rules.errors` more, would fail so often by chance once in
    a thousand times (binomial, one-sided; it is looked at twice a second). Seconds do where the mean is above `rules.times_slower` times the
    other's by more than chance makes once in a thousand times (standard errors of both means, one-sided), and does so again in the answers that
    come after: a pause holds up all that are under way, so that these are no many independent ones. Seconds and scores are compared
    only where both have given `rules.requests` answers, and scores only within one space, since those of two have no common scale.

    Args:
        label: the version's.
        rules: what a person chose.
        began: label -> what was counted before it was asked.

    Attributes:
        suspicion: why it may be too slow, as far as was seen, until there is enough to tell; None where nothing says so.
    """

    def __init__(self, label: str, rules: Deploying, began: Mapping[str, Counts]) -> None:
        self._label = label
        self._rules = rules
        self._began = self._timed = self._last = began
        self.suspicion: str | None = None

    def fault(self, now: Mapping[str, Counts], served: str, same_space: bool) -> str | None:
        """Return why it must not go on, beside the version that is served, by what is counted now; None where nothing speaks against it."""
        if any(now.get(name, Counts()).began_after(its) for name, its in self._last.items()):
            self._began, self._timed, self.suspicion = {}, {}, None  # the gateway was started again, and counts from 0
        self._last = now
        if not self.counts(now).asked:  # the other answered alone so far, and maybe where it is quicker
            self._began = self._timed = now
        ours, theirs = self.counts(now), _since(self._began, now, served)
        return (
            failing(ours, theirs, self._rules)
            or self._slow(now, served)
            or (drifting(ours, theirs, self._rules) if same_space else None)
        )

    def counts(self, now: Mapping[str, Counts]) -> Counts:
        """Return what it did since its first request."""
        return _since(self._began, now, self._label)

    def _slow(self, now: Mapping[str, Counts], served: str) -> str | None:
        ours, theirs = (_since(self._timed, now, label) for label in (self._label, served))
        if not _enough(ours, theirs, self._rules):
            return None
        before, self.suspicion = self.suspicion, slower(ours, theirs, self._rules)
        if before is None and self.suspicion is not None:
            self._timed = now
            return None
        return self.suspicion


def _since(began: Mapping[str, Counts], now: Mapping[str, Counts], label: str) -> Counts:
    return now.get(label, Counts()).since(began.get(label, Counts()))


def _enough(canary: Counts, served: Counts, rules: Deploying) -> bool:
    return min(canary.answered, served.answered) >= rules.requests


def failing(canary: Counts, served: Counts, rules: Deploying) -> str | None:
    """Return how much more often it fails; None where that may be chance."""
    from scipy.stats import binom  # a second to import

    theirs = (served.failed + 1) / (served.asked + 2)  # Laplace's: few requests that all went well prove little
    if canary.failed and binom.sf(canary.failed - 1, canary.asked, min(1.0, theirs + rules.errors)) < ALPHA:
        return (
            f"{canary.failed:.0f} of {canary.asked:.0f} requests to it failed, and {served.failed:.0f} of {served.asked:.0f} to the version beside it; "
            f"deploy.errors allows {rules.errors:.1%} more"
        )
    return None


def slower(canary: Counts, served: Counts, rules: Deploying) -> str | None:
    """Return how much slower it is; None where that may be chance, each answer's seconds being its own."""
    error_s = math.hypot(canary.error_s, rules.times_slower * served.error_s)
    if served.mean_s and canary.mean_s - rules.times_slower * served.mean_s > SURELY * error_s:
        times = canary.mean_s / served.mean_s
        return (
            f"it takes {1e3 * canary.mean_s:.1f} ms a request, {times:.1f} times what the version beside it takes; deploy.times_slower allows "
            f"{rules.times_slower:g}"
        )
    return None


def drifting(canary: Counts, served: Counts, rules: Deploying) -> str | None:
    """Return how far the scores of its best answers are apart; None where they are near, or few."""
    for route, bins in canary.scores.items() if _enough(canary, served, rules) else ():
        distance = furthest(bins, served.scores.get(route, {}), rules.requests)
        if distance is not None and distance > rules.drift:
            return (
                f"the scores of its best answers ({route}) are {distance:.2f} apart from those of the version beside it, as distributions; "
                f"deploy.drift allows {rules.drift:g}"
            )
    return None


def furthest(one: Mapping[float, float], other: Mapping[float, float], least: int) -> float | None:
    """Return the largest distance between two cumulative distributions, 0 to 1; None where one has fewer than `least` answers."""
    totals = one.get(float("inf"), 0.0), other.get(float("inf"), 0.0)
    if min(totals) < least:
        return None
    return max(abs(one[bound] / totals[0] - other.get(bound, 0.0) / totals[1]) for bound in one)
