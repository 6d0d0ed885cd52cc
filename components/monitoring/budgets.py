"""Are requests answered well enough? Errors and seconds against their budgets, from the gateway's counts where it runs, else from its log.

A budget is broken where that is shown: more requests failed, or took longer, than so many of a gateway that just keeps it would by chance
(binomial, one-sided). That 95% are answered within a time means that 5% may take longer, so both are shares of requests.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any, Literal

import numpy as np

from components.contracts.monitor import Watch
from components.evaluation.gate import fallen
from components.monitoring.requests import Requests

Held = Literal["kept", "broken", "cannot tell"]
SLOW = 0.05  # share of requests that may take longer than p95
ASKING = (
    "/v1/search",
    "/v1/embeddings",
    "/v1/classify",
    "/v1/feedback",
)  # what is counted: the routes that the log has too
TURNED_AWAY = "none"  # the route of requests that were answered before they had one, such as those of which there are too many at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a gateway counted.

    Args:
        requests: all of them.
        failed: by our fault.
        within: seconds -> how many took so long or less; inf -> all.
    """

    requests: int = 0
    failed: int = 0
    within: Mapping[float, int] = field(default_factory=dict)

    @classmethod
    def read(cls, exposition: str) -> "Counts":
        """Return those of Prometheus' text format, as GET /metrics gives it."""
        from prometheus_client.parser import text_string_to_metric_families

        requests, failed, within = 0, 0, dict[float, int]()
        for family in text_string_to_metric_families(exposition):
            for sample in family.samples:
                route, ours = sample.labels.get("route"), int(sample.labels.get("status", 0)) >= 500
                if sample.name == "diptych_requests_total" and (route in ASKING or (route == TURNED_AWAY and ours)):
                    requests += int(sample.value)
                    failed += int(sample.value) * ours
                elif sample.name == "diptych_request_seconds_bucket" and route in ASKING:
                    bound = float(sample.labels["le"])
                    within[bound] = within.get(bound, 0) + int(sample.value)
        return cls(requests=requests, failed=failed, within=within)

    @classmethod
    def of_version(cls, exposition: str, label: str) -> "Counts":
        """Return those of the questions to one version; what a client did wrong is in none."""
        from prometheus_client.parser import text_string_to_metric_families

        requests, failed, within = 0, 0, dict[float, int]()
        for family in text_string_to_metric_families(exposition):
            for sample in family.samples:
                if sample.labels.get("version") != label:
                    continue
                if sample.name == "diptych_version_requests_total" and sample.labels["outcome"] != "refused":
                    requests += int(sample.value)
                    failed += int(sample.value) * (sample.labels["outcome"] == "failed")
                elif sample.name == "diptych_version_seconds_bucket":
                    bound = float(sample.labels["le"])
                    within[bound] = within.get(bound, 0) + int(sample.value)
        return cls(requests=requests, failed=failed, within=within)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Counts":
        """Return what `as_json` wrote."""
        within = {float(bound): int(count) for bound, count in values["within"].items()}
        return cls(requests=int(values["requests"]), failed=int(values["failed"]), within=within)

    def as_json(self) -> dict[str, Any]:
        """Return the same as JSON."""
        within = {str(bound): count for bound, count in self.within.items()}
        return {"requests": self.requests, "failed": self.failed, "within": within}

    def since(self, before: "Counts | None") -> "Counts":
        """Return what came after; all where the gateway was started again meanwhile, which begins at 0."""
        if before is None or before.requests > self.requests or before.failed > self.failed:
            return self
        within = {bound: count - before.within.get(bound, 0) for bound, count in self.within.items()}
        return Counts(requests=self.requests - before.requests, failed=self.failed - before.failed, within=within)

    def p95_s(self) -> float | None:
        """Return the seconds that 95% took at most, straight lines between the bounds; None where nothing was counted."""
        last_bound, last_count, all_of_them = 0.0, 0, self.within.get(inf, 0)
        for bound, count in sorted(self.within.items()):
            if all_of_them and count >= (1 - SLOW) * all_of_them:
                if bound == inf:
                    return last_bound
                part = ((1 - SLOW) * all_of_them - last_count) / max(count - last_count, 1)
                return last_bound + part * (bound - last_bound)
            last_bound, last_count = bound, count
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How a budget stands.

    Args:
        name: `errors` or `latency`.
        source: `counts` of all requests, or the `log` of a share of them.
        requests: that were looked at.
        over: how many of them failed, or took too long.
        value: the share that failed, or the milliseconds that 95% took; None where there are none.
        budget: what it may be.
        p_value: in which share of cases as many would, of a gateway that just keeps it.
        held: whether it is kept.
        says: the same in words.
    """

    name: str
    source: str
    requests: int
    over: int
    value: float | None
    budget: float
    p_value: float
    held: Held
    says: str


def budgets(counted: Counts | None, logged: Requests, watch: Watch) -> list[Budget]:
    """Return both budgets.

    Args:
        counted: since the last look; None where no gateway answers.
        logged: of the window, for where nothing was counted.
        watch: the numbers.
    """
    p95_s = watch.p95_ms / 1000
    if counted is not None and counted.requests:
        source, requests, failed, p95 = "counts", counted.requests, counted.failed, counted.p95_s()
        bound = min((one for one in counted.within if one >= p95_s), default=inf)
        timed = counted.within.get(inf, 0)
        slow = timed - counted.within.get(bound, 0)
    else:
        source, requests, failed, seconds = "log", len(logged), logged.failed(), logged.seconds()
        timed, slow = len(seconds), int((seconds > p95_s).sum())
        p95 = float(np.quantile(seconds, 1 - SLOW)) if timed else None
    share = failed / requests if requests else None
    found = [
        _budget("errors", source, requests, failed, share, watch.most_failed, watch.most_failed),
        _budget("latency", source, timed, slow, None if p95 is None else 1000 * p95, watch.p95_ms, SLOW),
    ]
    shown = fallen({one.name: one.p_value for one in found}, watch.alpha)
    return [_held(one, one.name in shown, watch) for one in found]


def _budget(
    name: str, source: str, requests: int, over: int, value: float | None, budget: float, share: float
) -> Budget:
    from scipy.stats import binom  # a second to import

    p_value = float(binom.sf(over - 1, requests, share)) if requests else 1.0
    return Budget(
        name=name, source=source, requests=requests, over=over, value=value, budget=budget, p_value=p_value, held="cannot tell", says=""
    )  # fmt: skip


def _held(one: Budget, broken: bool, watch: Watch) -> Budget:
    held: Held = "broken" if broken else "cannot tell" if one.requests < watch.least_rows else "kept"
    seen = (
        f"{one.over:,} of {one.requests:,} requests failed ({one.over / max(one.requests, 1):.2%}), and {one.budget:.2%} may"
        if one.name == "errors"
        else f"{one.over:,} of {one.requests:,} requests took more than {one.budget:g} ms, and {SLOW:.0%} may"
    )
    few = (
        f"; {watch.least_rows - one.requests} more are needed to tell that it is kept" if held == "cannot tell" else ""
    )
    return replace(one, held=held, says=f"{seen}{few}")


def over_time(windows: Sequence[Requests]) -> tuple[list[float | None], list[float | None]]:
    """Return the p95 in milliseconds and the share that failed of each window of the log; None for one without requests."""
    slow = [
        1000 * float(np.quantile(its, 1 - SLOW)) if len(its) else None for its in (one.seconds() for one in windows)
    ]
    return slow, [one.failed() / len(one) if len(one) else None for one in windows]
