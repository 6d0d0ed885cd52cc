"""The machine's clock jumps while a run is under way, forwards over the hour of a schedule, back, and over it again: `make drill DRILL=clock`.

The servers of one machine with a small workspace; all their processes but S3 (which asks the kernel itself) see a clock that libfaketime moves
(Debian: apt-get install libfaketime). The run that is under way has to end with what it was asked for, and the night has to be run once, however
often its hour comes. All runs end before they register, since S3, whose clock does not jump, would refuse files that are signed hours ahead. Prints
one JSON object as its last line.
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

import yaml
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId

from tests.drills.nights import place
from tests.drills.on_stack import on_stack, prefect_of, without_looks
from tests.drills.stack import until

HOUR, BEYOND_S, QUIET_S = 2, 20.0, 40.0
UNTIL = "count"
ENDS = ("Completed", "Failed", "Cancelled")


def main() -> None:
    """Drill, print; the exit code is 0 where nothing was lost or done twice."""
    library = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
    if library is None:
        sys.exit("there is no libfaketime, which moves the clock. Debian: apt-get install libfaketime")
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)  # PostgreSQL, which root runs as another user, has to find the clock there
        root, clock = place(Path(folder) / "toy"), Path(folder) / "clock"
        no_night_registers(root / "prefect.yaml")
        turn(clock, 0)
        os.environ |= {
            "LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",  # else every module is older or newer than its bytecode, which is then written anew, for everybody else, too
            "FAKETIME_DISABLE_SHM": "1",  # which is root's, and closed to PostgreSQL
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


def no_night_registers(deployments: Path) -> None:
    """Have the nightly deployment end with the stage that the other runs end with."""
    said = yaml.safe_load(deployments.read_text())
    (nightly,) = [one for one in said["deployments"] if one["name"] == "nightly"]
    nightly["parameters"]["until"] = UNTIL
    deployments.write_text(yaml.safe_dump(said, sort_keys=False))


def drill(root: Path, clock: Path) -> dict[str, Any]:
    """Go through the jumps; return what became of the runs."""
    night = next_night(datetime.now(UTC))
    with prefect_of(root) as client:
        without_looks(client)
        until(lambda: of_night(client, night), lambda: "the night is not scheduled")
        (root / "hold").touch()
        first = begin(client)
        position = root / f".diptych/outcome/{UNTIL}@clip.position"
        until(position.exists, lambda: state(client, first))
        jump = beyond(night)
        turn(clock, jump)
        until(
            lambda: nights(client, night), lambda: state(client, first)
        )  # the hour has come, while the other run is under way
        (root / "hold").unlink()
        until(lambda: state(client, first) in ENDS, lambda: state(client, first))
        until(lambda: set(nights(client, night)) <= {*ENDS}, lambda: nights(client, night))
        forwards = {"run": state(client, first), "nights": nights(client, night)}
        turn(clock, 0)
        second = begin(client)
        until(lambda: state(client, second) in ENDS, lambda: state(client, second))
        back = state(client, second)
        turn(clock, beyond(night))
        time.sleep(QUIET_S)  # in which it would come a second time
        again = nights(client, night)
    return {"jump_h": round(jump / 3600, 1), "forwards": forwards, "back": back, "again": again}


def turn(clock: Path, ahead_s: float) -> None:
    """Have the clock be ahead by so much; who reads it meanwhile sees the old time or the new one, since one that reads none would end."""
    new = clock.with_name("clock.new")
    new.write_text(f"+{ahead_s:.0f}\n")
    new.replace(clock)


def next_night(now: datetime) -> datetime:
    """Return when the hour of the schedule comes next, so that no other night's lies on the way there."""
    night = now.replace(hour=HOUR, minute=0, second=0, microsecond=0)
    return night if night > now else night + timedelta(days=1)


def beyond(night: datetime) -> float:
    """Return by how many seconds the clock is to be ahead to be beyond the night's hour."""
    return max(0.0, (night - datetime.now(UTC)).total_seconds()) + BEYOND_S


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
        client.read_deployment_by_name("pipeline/manual").id, parameters={"recipe": "clip", "until": UNTIL}
    ).id


def state(client: SyncPrefectClient, run: Any) -> str:
    """Return how a run is."""
    found = client.read_flow_run(run).state
    return found.name if found else ""


def nights(client: SyncPrefectClient, night: datetime) -> list[str]:
    """Return how the runs are that this night's hour began."""
    return [state for state in of_night(client, night) if state not in ("Scheduled", "Late")]


def of_night(client: SyncPrefectClient, night: datetime) -> list[str]:
    """Return how the runs are that are to begin at this night's hour."""
    its = DeploymentFilter(id=DeploymentFilterId(any_=[client.read_deployment_by_name("pipeline/nightly").id]))
    runs = client.read_flow_runs(deployment_filter=its, limit=200)
    return [run.state_name or "" for run in runs if run.expected_start_time == night]


if __name__ == "__main__":
    main()
