"""What waits and what runs in each pool of Prefect's, who looks after it, and which deployments there are, asked of the server as any client may."""

import json
import urllib.error
import urllib.request
from base64 import b64encode
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any

from components.contracts.errors import TransientError
from flows.stack.deployments import PAGE, Known, known_as
from flows.stack.place import USER, Place
from flows.telling.automations import WATCHDOGS

ANSWERS_WITHIN_S = 5.0
_RUNS = {"type": {"any_": ["RUNNING", "CANCELLING"]}}
_WAITS = {"type": {"any_": ["PENDING", "SCHEDULED"]}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """One pool.

    Args:
        pool: its name.
        runs: how many runs of flows are under way.
        waits: how many are due and have not begun; a schedule's next runs are not due.
        since: when the first of these was due, as ISO 8601; None where none waits.
        paused: whether somebody paused it.
    """

    pool: str
    runs: int
    waits: int
    since: str | None
    paused: bool

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)


def queues(place: Place) -> list[Queue]:
    """Return each pool's, by name. TransientError where Prefect's server does not answer."""
    now = datetime.now(UTC).isoformat()
    found = []
    for pool in sorted(_asked(place, "work_pools/filter", {}), key=lambda one: str(one["name"])):
        its = {"work_pools": {"name": {"any_": [pool["name"]]}}}
        waits = {**its, "flow_runs": {"state": _WAITS, "expected_start_time": {"before_": now}}}
        first = _asked(place, "flow_runs/filter", {**waits, "limit": 1, "sort": "EXPECTED_START_TIME_ASC"})
        found.append(
            Queue(
                pool=pool["name"], runs=_asked(place, "flow_runs/count", {**its, "flow_runs": {"state": _RUNS}}),
                waits=_asked(place, "flow_runs/count", waits) if first else 0, since=first[0]["expected_start_time"] if first else None, paused=pool["is_paused"],
            )
        )  # fmt: skip
    return found


def not_watching(place: Place) -> dict[str, str]:
    """Return the watchdogs that are not at work -> `missing` or `paused`. TransientError where Prefect's server does not answer."""
    found = _asked(place, "automations/filter", {"automations": {"name": {"any_": [*WATCHDOGS]}}})
    at_work = {one["name"]: one["enabled"] for one in found}
    return {name: "paused" if name in at_work else "missing" for name in WATCHDOGS if not at_work.get(name)}


def known_deployments(place: Place) -> dict[str, Known]:
    """Return the deployments that Prefect's server has, as of `known_as`. TransientError where it does not answer."""
    listed: list[dict[str, Any]] = []
    while len(some := _asked(place, "deployments/filter", {"limit": PAGE, "offset": len(listed)})) == PAGE:
        listed += some
    return known_as(place.root, [*listed, *some])


def as_lines(found: list[Queue]) -> list[str]:
    """Return a line for each."""
    return [
        f"{one.pool:<7}  {one.runs} {'runs' if one.runs == 1 else 'run'}, {_waits(one)}{', paused' * one.paused}"
        for one in found
    ]


def _waits(one: Queue) -> str:
    if one.since is None:
        return "none waits"
    minutes = (datetime.now(UTC) - datetime.fromisoformat(one.since)).total_seconds() / 60
    return f"{one.waits} {'waits' if one.waits == 1 else 'wait'}, the first for {max(0.0, minutes):.0f} min"


def _asked(place: Place, path: str, body: dict[str, Any]) -> Any:
    who = b64encode(f"{USER}:{place.passwords['prefect']}".encode()).decode()
    request = urllib.request.Request(
        f"{place.url('prefect')}/api/{path}", data=json.dumps(body).encode(), headers={"Content-Type": "application/json", "Authorization": f"Basic {who}"}
    )  # fmt: skip
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=ANSWERS_WITHIN_S) as answer:
            return json.load(answer)
    except (urllib.error.URLError, OSError, HTTPException, ValueError) as err:
        raise TransientError(f"Prefect's server does not say: {err}") from err
