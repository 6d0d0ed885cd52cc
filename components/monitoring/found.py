"""What a look found, as events; what each asks for is asked by one of them, and only where it may be."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from datetime import datetime

from components.monitoring.budgets import Budget
from components.monitoring.deaths import Death
from components.monitoring.drift import NAMES, Line
from components.monitoring.events import BUDGET, DIED, DRIFT, PIPELINE, ROLLBACK, Event


def found(
    at: datetime, model: str, drift: Sequence[Line], budgets: Sequence[Budget], died: Sequence[Death], deployed: bool
) -> list[Event]:
    """Return the events of a look, each with what it would ask for.

    Args:
        at: when it was looked.
        model: that is served.
        drift, budgets, died: what was found.
        deployed: whether the model was deployed so shortly ago that a broken budget is put down to it.
    """
    events = []
    if shown := [line for line in drift if line.outcome == "drift"]:
        says = "; ".join(f"{line.of}: {NAMES[line.test]} {line.statistic:.3g}, p {line.p_value:.2g}" for line in shown)
        lines = {"lines": [asdict(line) for line in shown]}
        events.append(Event(name=DRIFT, at=at, model=model, says=says, asks=PIPELINE, payload=lines))
    for budget in budgets:
        if budget.held == "broken":
            asks = ROLLBACK if deployed else ""
            events.append(Event(name=BUDGET, at=at, model=model, says=budget.says, asks=asks, payload=asdict(budget)))
    for of in dict.fromkeys(one.of for one in died):
        these = [one for one in died if one.of == of]
        payload = {"of": of, "count": len(these), "last": these[-1].at.isoformat()}
        events.append(
            Event(name=DIED, at=at, model=model, says=f"{len(these)} x {of}: {these[-1].says}", payload=payload)
        )
    return events


def asking_once(events: Iterable[Event], may_ask: Iterable[str]) -> list[Event]:
    """Return the events of which each action is asked for by one alone, and only what may be."""
    left, kept = set(may_ask), []
    for event in events:
        kept.append(event if event.asks in left else replace(event, asks=""))
        left.discard(event.asks)
    return kept
