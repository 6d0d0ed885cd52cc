"""What a look has to tell others: a line of JSON each in .diptych/monitor/events.jsonl, and events of Prefect where a server is.

An event that asks for an action carries it in `asks`, which automations on a Prefect server wait for; one that tells of the same again, while
the action cools down, asks for nothing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

DRIFT, BUDGET, DIED = "diptych.drift.found", "diptych.budget.broken", "diptych.server.died"
VERDICT = "diptych.verdict.given"  # by the gate, about a version; told by whoever judged
PIPELINE, ROLLBACK = "pipeline", "rollback"
FILE = "events.jsonl"
MOST_MB = 8  # of the file, and of the one that is put aside


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event.

    Args:
        name: DRIFT, BUDGET, DIED or VERDICT.
        at: when it was found.
        model: label of the version that is served, such as clip@3; empty where none is.
        says: a sentence.
        asks: PIPELINE, ROLLBACK, or nothing.
        payload: the numbers.
        id: of the event, for Prefect too.
    """

    name: str
    at: datetime
    model: str
    says: str
    asks: str = ""
    payload: Mapping[str, Any] = field(default_factory=dict)
    id: str = field(default_factory=lambda: str(uuid4()))

    @property
    def resource(self) -> dict[str, str]:
        """Return what Prefect is told it is about: the endpoint, and what it asks for."""
        asks = {"diptych.asks": self.asks} if self.asks else {}
        return {"prefect.resource.id": f"diptych.endpoint.{self.model or 'none'}", "diptych.model": self.model, **asks}

    def as_json(self) -> dict[str, Any]:
        """Return it as a line of the file has it."""
        return {**asdict(self), "at": self.at.isoformat()}


def append(folder: Path, events: Sequence[Event]) -> None:
    """Write a line an event; the file of before is put aside once it is too large."""
    path = folder / FILE
    if path.exists() and path.stat().st_size > MOST_MB * 2**20:
        path.replace(path.with_name(f"{FILE}.1"))
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(json.dumps(event.as_json(), ensure_ascii=False) + "\n" for event in events))
