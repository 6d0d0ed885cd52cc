"""The machine's clock jumps while a run is under way, forwards over the hour of a schedule, back, and over it again: `make drill DRILL=clock`.

The servers of one machine with a small workspace; all their processes but S3 (which asks the kernel itself) see a clock that libfaketime moves
(Debian: apt-get install libfaketime). The run that is under way has to end with what it was asked for, and the night has to be run once, however
often its hour comes. Prints one JSON object as its last line.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId

from tests.drills.nights import place
from tests.drills.on_stack import on_stack, prefect_of
from tests.drills.stack import until

BEFORE_S, QUIET_S = 20.0, 40.0
ENDS = ("Completed", "Failed", "Cancelled")


def main() -> None:
    """Drill, print; the exit code is 0 where nothing was lost or done twice."""
    library = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
    if library is None:
        sys.exit("there is no libfaketime, which moves the clock. Debian: apt-get install libfaketime")
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        root, clock = place(Path(folder) / "toy"), Path(folder) / "clock"
        clock.write_text("+0\n")
        os.environ |= {
            "LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }  # fmt: skip

        def drilled() -> dict[str, Any]:
            del os.environ["LD_PRELOAD"]  # the servers have it, and nobody else
            return drill(root, clock)

        detail = on_stack(root, drilled)
    lost = None if "fault" in detail else what_was_lost(detail)  # of a drill that did not come to its end nobody knows
    passed = lost == []
    said = {
        "drill": "clock", "passed": passed, "lost": None if lost is None else len(lost), "what_was_lost": lost,
        "seconds": round(time.monotonic() - began), "detail": detail,
    }  # fmt: skip
    print(json.dumps(said))
    sys.exit(not passed)


def drill(root: Path, clock: Path) -> dict[str, Any]:
    """Go through the jumps; return what became of the runs."""
    now = datetime.now(UTC)
    night = (now + timedelta(days=1)).replace(hour=2, minute=0, second=0, microsecond=0)
    jump = (night - now).total_seconds() - BEFORE_S
    with prefect_of(root) as client:
        (root / "hold").touch()
        first = begin(client)
        position = root / ".diptych/outcome/count@clip.position"
        until(position.exists, lambda: state(client, first))
        clock.write_text(f"+{jump:.0f}\n")
        until(
            lambda: nights(client, night), lambda: state(client, first)
        )  # the hour has come, while the other run is under way
        (root / "hold").unlink()
        until(lambda: state(client, first) in ENDS, lambda: state(client, first))
        until(lambda: set(nights(client, night)) <= {*ENDS}, lambda: nights(client, night))
        forwards = {"run": state(client, first), "nights": nights(client, night)}
        clock.write_text("+0\n")
        second = begin(client)
        until(lambda: state(client, second) in ENDS, lambda: state(client, second))
        back = state(client, second)
        clock.write_text(f"+{jump + 2 * BEFORE_S:.0f}\n")
        time.sleep(QUIET_S)  # in which it would come a second time
        again = nights(client, night)
    return {"jump_h": round(jump / 3600, 1), "forwards": forwards, "back": back, "again": again}


def what_was_lost(found: Mapping[str, Any]) -> list[str]:
    """Return which runs were not done, or more than once."""
    runs = {"under way when the clock jumped": found["forwards"]["run"], "asked for when it was back": found["back"]}
    lost = [f"the run {name} is {state}" for name, state in runs.items() if state != "Completed"]
    nights = {"after the jump": found["forwards"]["nights"], "after its hour came again": found["again"]}
    return lost + [
        f"the night's runs are {states} {when}" for when, states in nights.items() if states != ["Completed"]
    ]


def begin(client: SyncPrefectClient) -> Any:
    """Ask for the pipeline by hand."""
    return client.create_flow_run_from_deployment(
        client.read_deployment_by_name("pipeline/manual").id, parameters={"recipe": "clip", "until": "count"}
    ).id


def state(client: SyncPrefectClient, run: Any) -> str:
    """Return how a run is."""
    found = client.read_flow_run(run).state
    return found.name if found else ""


def nights(client: SyncPrefectClient, night: datetime) -> list[str]:
    """Return how the runs are that this night's hour began."""
    its = DeploymentFilter(id=DeploymentFilterId(any_=[client.read_deployment_by_name("pipeline/nightly").id]))
    runs = client.read_flow_runs(deployment_filter=its, limit=200)
    return [
        run.state_name or "" for run in runs
        if run.expected_start_time == night and run.state_name not in ("Scheduled", "Late")
    ]  # fmt: skip


if __name__ == "__main__":
    main()
