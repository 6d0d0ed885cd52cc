"""Are requests answered well enough? Errors and seconds against their budgets, from the gateway's counts where it runs, else from its log.

A budget is broken where that is shown: more requests failed, or took longer, than so many of a gateway that just keeps it would by chance
(binomial, one-sided). That 95% are answered within a time means that 5% may take longer, so both are shares of requests. Counts tell how many
took longer than one of their bounds; between two of them they tell at least and at most, and what that leaves open is not said to be kept.
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
START = "diptych_start_time_seconds"  # when the counts began
TURNED_AWAY = "none"  # the route of requests that were answered before they had one, such as those of which there are too many at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a gateway counted.

    Args:
        requests: all of them.
        failed: by our fault.
        within: seconds -> how many took so long or less; inf -> all.
        began: when it began to count, in seconds since 1970; None of one that does not tell.
    """

    requests: int = 0
    failed: int = 0
    within: Mapping[float, int] = field(default_factory=dict)
    began: float | None = None

    @classmethod
    def read(cls, exposition: str) -> "Counts":
        """Return those of Prometheus' text format, as GET /metrics gives it."""
        from prometheus_client.parser import text_string_to_metric_families

        requests, failed, within, began = 0, 0, dict[float, int](), None
        for family in text_string_to_metric_families(exposition):
            for sample in family.samples:
                route, ours = sample.labels.get("route"), int(sample.labels.get("status", 0)) >= 500
                if sample.name == "diptych_requests_total" and (route in ASKING or (route == TURNED_AWAY and ours)):
                    requests += int(sample.value)
                    failed += int(sample.value) * ours
                elif sample.name == "diptych_request_seconds_bucket" and route in ASKING:
                    bound = float(sample.labels["le"])
                    within[bound] = within.get(bound, 0) + int(sample.value)
                elif sample.name == START:
                    began = sample.value
        return cls(requests=requests, failed=failed, within=within, began=began)

    @classmethod
    def of_version(cls, exposition: str, label: str) -> "Counts":
        """Return those of the questions to one version; what a client did wrong is in none."""
        from prometheus_client.parser import text_string_to_metric_families

        requests, failed, within, began = 0, 0, dict[float, int](), None
        for family in text_string_to_metric_families(exposition):
            for sample in family.samples:
                if sample.name == START:
                    began = sample.value
                if sample.labels.get("version") != label:
                    continue
                if sample.name == "diptych_version_requests_total" and sample.labels["outcome"] != "refused":
                    requests += int(sample.value)
                    failed += int(sample.value) * (sample.labels["outcome"] == "failed")
                elif sample.name == "diptych_version_seconds_bucket":
                    bound = float(sample.labels["le"])
                    within[bound] = within.get(bound, 0) + int(sample.value)
        return cls(requests=requests, failed=failed, within=within, began=began)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Counts":
        """Return what `as_json` wrote."""
        within = {float(bound): int(count) for bound, count in values["within"].items()}
        return cls(
            requests=int(values["requests"]), failed=int(values["failed"]), within=within, began=values.get("began")
        )

    def as_json(self) -> dict[str, Any]:
        """Return the same as JSON."""
        within = {str(bound): count for bound, count in self.within.items()}
        return {"requests": self.requests, "failed": self.failed, "within": within, "began": self.began}

    def since(self, before: "Counts | None") -> "Counts":
        """Return what came after; all where the gateway was started again meanwhile, which begins at 0."""
        if before is None or self._began_after(before):
            return self
        within = {bound: count - before.within.get(bound, 0) for bound, count in self.within.items()}
        return replace(
            self, requests=self.requests - before.requests, failed=self.failed - before.failed, within=within
        )

    def _began_after(self, before: "Counts") -> bool:
        """Return whether the gateway was started again since an earlier look: it says so, or has counted less."""
        return self.began != before.began or self.requests < before.requests or self.failed < before.failed

    def around(self, seconds: float) -> tuple[float, float]:
        """Return the bounds next to a time, twice the same where it is one; 0 below the first, inf above the last."""
        below = max((one for one in self.within if one <= seconds), default=0.0)
        return below, min((one for one in self.within if one >= seconds), default=inf)

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
        over: how many of them failed, or took too long, at least.
        at_most: how many it may be, where the counts have no bound at the budget; else as many.
        bounds: of the counts, in milliseconds, that are next to the budget where they have none at it; else empty.
        value: the share that failed, or the milliseconds that 95% took; None where there are none.
        budget: what it may be.
        p_value: in which share of cases `over` would, of a gateway that just keeps it.
        held: whether it is kept.
        says: the same in words.
    """

    name: str
    source: str
    requests: int
    over: int
    at_most: int
    bounds: tuple[float, ...]
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
    p95_s, bounds = watch.p95_ms / 1000, tuple[float, ...]()
    if counted is not None and counted.requests:
        source, requests, failed, p95 = "counts", counted.requests, counted.failed, counted.p95_s()
        timed, (below, above) = counted.within.get(inf, 0), counted.around(p95_s)
        slow, at_most = (timed - counted.within.get(one, 0) for one in (above, below))
        if below != above:
            bounds = tuple(1000 * one for one in (below, above) if 0 < one < inf)
    else:
        source, requests, failed, seconds = "log", len(logged), logged.failed(), logged.seconds()
        timed, slow = len(seconds), int((seconds > p95_s).sum())
        at_most, p95 = slow, float(np.quantile(seconds, 1 - SLOW)) if timed else None
    errors = Budget(
        name="errors", source=source, requests=requests, over=failed, at_most=failed, bounds=(), value=failed / requests if requests else None,
        budget=watch.most_failed, p_value=_by_chance(failed, requests, watch.most_failed), held="cannot tell", says="",
    )  # fmt: skip
    latency = Budget(
        name="latency", source=source, requests=timed, over=slow, at_most=at_most, bounds=bounds, value=None if p95 is None else 1000 * p95,
        budget=watch.p95_ms, p_value=_by_chance(slow, timed, SLOW), held="cannot tell", says="",
    )  # fmt: skip
    shown = fallen({one.name: one.p_value for one in (errors, latency)}, watch.alpha)
    might = fallen({"errors": errors.p_value, "latency": _by_chance(at_most, timed, SLOW)}, watch.alpha)
    return [
        _held(errors, "errors" in shown, False, watch),
        _held(latency, "latency" in shown, "latency" in might - shown, watch),
    ]


def _by_chance(over: int, requests: int, share: float) -> float:
    """Return in which share of cases as many of the requests are over, where so large a share is."""
    from scipy.stats import binom  # a second to import

    return float(binom.sf(over - 1, requests, share)) if requests else 1.0


def _held(one: Budget, broken: bool, maybe: bool, watch: Watch) -> Budget:
    few = one.requests < watch.least_rows
    held: Held = "broken" if broken else "cannot tell" if few or maybe else "kept"
    over = f"{one.over:,}" if one.over == one.at_most else f"{one.over:,} to {one.at_most:,}"
    seen = (
        f"{over} of {one.requests:,} requests failed ({one.over / max(one.requests, 1):.2%}), and {one.budget:.2%} may"
        if one.name == "errors"
        else f"{over} of {one.requests:,} requests took more than {one.budget:g} ms, and {SLOW:.0%} may"
    )
    needed = ""
    if held == "cannot tell" and few:
        needed = f"; {watch.least_rows - one.requests} more are needed to tell that it is kept"
    elif held == "cannot tell":
        counts = " or ".join(f"{bound:g}" for bound in one.bounds)
        needed = f"; to tell, give monitor.p95_ms a bound that the gateway counts by, such as {counts}"
    return replace(one, held=held, says=f"{seen}{needed}")


def over_time(windows: Sequence[Requests]) -> tuple[list[float | None], list[float | None]]:
    """Return the p95 in milliseconds and the share that failed of each window of the log; None for one without requests."""
    slow = [
        1000 * float(np.quantile(its, 1 - SLOW)) if len(its) else None for its in (one.seconds() for one in windows)
    ]
    return slow, [one.failed() / len(one) if len(one) else None for one in windows]
