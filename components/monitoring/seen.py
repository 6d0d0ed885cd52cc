"""What one look saw: all that its page, its events and its JSON say."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from components.monitoring.budgets import Budget
from components.monitoring.deaths import Death
from components.monitoring.drift import Line, Outcome, outcome_of
from components.monitoring.events import Event
from components.monitoring.reference import Reference
from components.monitoring.requests import Requests

WINDOWS = 12  # of a look's hours, for what is drawn over time


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A look.

    Args:
        model: label of what is served; empty where nothing is.
        since: where the window begins.
        until: when it was looked.
        requests: of the model in the window.
        reference: what they are held against; None where there is none.
        without: why there is none; empty where there is.
        drift: a line for each test.
        distances: side -> MMD² of each part of the window.
        budgets: errors and latency.
        over_time: p95 in milliseconds, and the share that failed, of each part of the window.
        deaths: since the last look.
        events: what came of it.
    """

    model: str
    since: datetime
    until: datetime
    requests: Requests
    reference: Reference | None
    without: str
    drift: Sequence[Line]
    distances: Mapping[str, Sequence[float | None]]
    budgets: Sequence[Budget]
    over_time: tuple[Sequence[float | None], Sequence[float | None]]
    deaths: Sequence[Death]
    events: Sequence[Event] = ()

    @property
    def outcome(self) -> Outcome:
        """What all tests of drift come to."""
        return outcome_of(self.drift)

    @property
    def is_well(self) -> bool:
        """Whether nothing was found; what cannot be told is nothing found."""
        return not self.deaths and self.outcome != "drift" and all(one.held != "broken" for one in self.budgets)

    @property
    def sentence(self) -> str:
        """Say it in one line or two."""
        parts = [_DRIFT[self.outcome]]
        if self.outcome == "drift":
            of = dict.fromkeys(line.of for line in self.drift if line.outcome == "drift")
            parts[0] = f"Drift in {', '.join(of)}."
        elif self.outcome == "cannot tell":
            why = self.without or next((line.says for line in self.drift if line.says), "nothing was asked")
            parts[0] = f"Drift cannot be told: {why}."
        parts += [f"{_TITLES[one.name]} {_HELD[one.held]}: {one.says}." for one in self.budgets]
        if self.deaths:
            counts = Counter(one.of for one in self.deaths)
            parts.append(
                f"Died since the last look: {', '.join(f'{kind} ({count})' for kind, count in counts.items())}."
            )
        asked = [event.asks for event in self.events if event.asks]
        return " ".join([*parts, *(f"Asked for: {', '.join(asked)}." for _ in asked[:1])])

    def as_json(self) -> dict[str, Any]:
        """Return what `diptych monitor --json` prints."""
        return {
            "model": self.model, "since": self.since.isoformat(), "until": self.until.isoformat(), "requests": len(self.requests),
            "unread": list(self.requests.unread), "reference": self.reference.means if self.reference else None, "without": self.without,
            "outcome": self.outcome, "well": self.is_well, "drift": [asdict(line) for line in self.drift],
            "budgets": [asdict(one) for one in self.budgets], "deaths": [{**asdict(one), "at": one.at.isoformat()} for one in self.deaths],
            "events": [event.as_json() for event in self.events], "sentence": self.sentence,
        }  # fmt: skip


_DRIFT = {"no drift found": "No drift was found.", "drift": "", "cannot tell": ""}
_TITLES = {"errors": "The budget of errors", "latency": "The budget of latency"}
_HELD = {"kept": "is kept", "broken": "is broken", "cannot tell": "cannot be told"}
