"""One look at what is served: requests against the reference, budgets, deaths; then its page, its events, and what they ask for.

The look is one under a lock, from what it remembers to what it writes: two monitors at once look one after the other, and the second finds what
the first has asked for. What is asked for is written down before anybody is told, so that a monitor which is killed asks once too seldom and never twice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from components.contracts.errors import DiptychError
from components.contracts.monitor import Watch
from components.monitoring.budgets import Counts, budgets, over_time
from components.monitoring.deaths import deaths
from components.monitoring.drift import distances, look_for_drift
from components.monitoring.events import PIPELINE, ROLLBACK, Event, append
from components.monitoring.found import asking_once, found
from components.monitoring.page import render
from components.monitoring.place import alone
from components.monitoring.reference import Embed, Reference, of_requests, of_training
from components.monitoring.requests import Requests, read_requests
from components.monitoring.seen import WINDOWS, Seen
from components.monitoring.state import State
from components.serving.endpoint import Endpoint, read_endpoint

PAGE = "report.html"
Tell = Callable[[Sequence[Event]], None]
"""Sends events to whoever acts on them; raises an OSError or a DiptychError where they did not get there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What a look asks others.

    Args:
        embed: texts as an endpoint embeds them; raises a DiptychError where it does not answer.
        counts: of the gateway; None where none answers.
        counts_of: a version, the same of the questions to it alone.
        tell: who acts; None where nobody does, so that nothing is asked for.
        now: the time, UTC.
    """

    embed: Callable[[Endpoint], Embed]
    counts: Callable[[], Counts | None]
    counts_of: Callable[[str], Counts | None] = lambda label: None
    tell: Tell | None = None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


def look(root: Path, watch: Watch, seed: int, world: World) -> Seen:
    """Return what was seen, having written page, events and memory to .diptych/monitor.

    Args:
        root: of the workspace.
        watch: the numbers.
        seed: of draws and permutations.
        world: whom to ask.

    Raises StaleArtifact where the memory of earlier looks cannot be read.
    """
    with alone(root) as folder:
        before, until = State.read(folder), world.now()
        endpoint = read_endpoint(root)
        seen, state = _seen(root, watch, seed, world, endpoint, before, until)
        recently = timedelta(minutes=watch.rollback_within_min)
        deployed = endpoint is not None and until - state.deployed[endpoint.package_digest] <= recently
        blamed, state = _blamed(endpoint, seen, watch, world, before, state)
        events = found(until, seen.model, seen.drift, seen.budgets, seen.deaths, deployed and blamed)
        may = [one for one in (PIPELINE, ROLLBACK) if state.may_ask(one, until, watch.cool_down_h)]
        events = asking_once(events, may if world.tell is not None else ())
        events, state = _told(folder, world.tell, events, state, until)
        state.write(folder)
        append(folder, events)
        seen = replace(seen, events=events)
        partial = folder / f".{PAGE}"
        partial.write_text(render(seen), encoding="utf-8")
        partial.replace(folder / PAGE)
    return seen


def _seen(
    root: Path, watch: Watch, seed: int, world: World, endpoint: Endpoint | None, before: State, until: datetime
) -> tuple[Seen, State]:
    since = until - timedelta(hours=watch.window_h)
    every = read_requests(root, since if watch.reference == "training" else None)
    window = every.between(since, until)
    ours = window if endpoint is None else window.of_package(endpoint.package_digest)
    reference, without = _reference(root, watch, seed, world, endpoint, every, since)
    parts = _parts(ours, since, until)
    counts = world.counts()
    counted = counts.since(before.counts) if counts is not None and before.counts is not None else counts
    died, place = deaths(root, before.log, since)
    state = replace(before, counts=counts or before.counts, log=place)
    if endpoint is not None:
        state = state.having_seen(endpoint.package_digest, datetime.fromisoformat(endpoint.started_at))
    return Seen(
        model=endpoint.label if endpoint else "", since=since, until=until, requests=ours, reference=reference, without=without,
        drift=look_for_drift(ours, reference, watch, seed), distances=distances(parts, reference, watch, seed),
        budgets=budgets(counted, window, watch), over_time=over_time(_parts(window, since, until)), deaths=died,
    ), state  # fmt: skip


def _blamed(
    endpoint: Endpoint | None, seen: Seen, watch: Watch, world: World, before: State, state: State
) -> tuple[bool, State]:
    """Return whether the version that is served broke a budget by itself: what came to others, or before it, is not put down to it."""
    counts = world.counts_of(endpoint.label) if endpoint is not None else None
    if endpoint is None or counts is None:  # the log says which package answered
        return any(one.held == "broken" for one in budgets(None, seen.requests, watch)), replace(state, of_version={})
    state = replace(state, of_version={endpoint.label: counts})
    last = before.of_version.get(endpoint.label)
    if last is None:  # the next look knows what came between
        return False, state
    return any(one.held == "broken" for one in budgets(counts.since(last), seen.requests, watch)), state


def _reference(
    root: Path, watch: Watch, seed: int, world: World, endpoint: Endpoint | None, every: Requests, since: datetime
) -> tuple[Reference | None, str]:
    """Return what the requests are held against, and why there is nothing where there is not."""
    if endpoint is None:
        return None, "no model is served"
    if watch.reference == "before":
        before = every.of_package(endpoint.package_digest).between(_FIRST, since)
        return of_requests(before, watch.most_rows, seed), ""
    try:
        found = of_training(root, endpoint, watch.most_rows, seed, world.embed(endpoint))
    except DiptychError as err:
        return None, f"{endpoint.label} does not embed its own texts ({err})"
    return found, "" if found is not None else f"{endpoint.label} was packaged without pictures to search among"


def _parts(requests: Requests, since: datetime, until: datetime) -> list[Requests]:
    step = (until - since) / WINDOWS
    return [requests.between(since + at * step, since + (at + 1) * step) for at in range(WINDOWS)]


def _told(
    folder: Path, tell: Tell | None, events: Sequence[Event], state: State, now: datetime
) -> tuple[list[Event], State]:
    """Return the events as they were told, and the memory of it; where they did not get there, nothing was asked for."""
    if tell is None or not events:
        return list(events), state
    asked = state
    for event in events:
        asked = asked.having_asked(event.asks, now) if event.asks else asked
    asked.write(folder)
    try:
        tell(events)
    except (OSError, DiptychError) as err:
        state.write(folder)
        return [replace(event, asks="", says=f"{event.says} (not told: {err})") for event in events], state
    return list(events), asked


_FIRST = datetime.min.replace(tzinfo=UTC)
