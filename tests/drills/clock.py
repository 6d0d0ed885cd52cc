"""The machine's clock jumps while a real pipeline is under way, forwards over the hour of a schedule, back, and over it again: `make drill DRILL=clock`.

The servers of one machine with a person's own pictures at `debug`, fine-tuned; all their processes but S3 (which asks the kernel itself), trainings too, see a clock that libfaketime moves
(Debian: apt-get install libfaketime). The run whose training is under way has to end in the rows, weights and metrics of an undisturbed one, so has the one that is asked for when the clock is back, and the
night has to be run once, however often its hour comes. All runs end with the package, before they register, since S3, whose clock does not jump, would refuse files that are signed
hours ahead. Prints one JSON object as its last line; --keep writes it to docs/benchmarks/clock.json.
"""

import argparse
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

from flows.serving.down import down
from flows.stack.seen import use
from tests.drills.kept import about, conclude
from tests.drills.on_stack import on_stack, prefect_of, without_looks
from tests.drills.stack import Drill, let_go, until
from tests.drills.undisturbed import differs, own_copy
from tests.workspace import REPOSITORY

KEPT_AT = REPOSITORY / "docs/benchmarks/clock.json"
HOUR, BEYOND_S, QUIET_S = 2, 20.0, 40.0
UNTIL = "package"
ENDS = ("Completed", "Failed", "Cancelled")


def main() -> None:
    """Drill, print; the exit code is 0 where nothing was lost or done twice."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT_AT.relative_to(REPOSITORY)}")
    asked = parser.parse_args()
    library = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
    if library is None:
        sys.exit("there is no libfaketime, which moves the clock. Debian: apt-get install libfaketime")
    whence, began = about("clock"), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)  # PostgreSQL, which root runs as another user, has to find the clock there
        (root, undisturbed), clock = own_copy(Path(folder)), Path(folder) / "clock"
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
            return through(Drill(root=root, undisturbed=undisturbed, asks={"recipe": "clip", "until": UNTIL}), clock)

        try:
            detail = on_stack(root, drilled)
        finally:
            down(root)
    lost = None if "fault" in detail else what_was_lost(detail)  # of a drill that did not come to its end nobody knows
    said = {
        "drill": "clock", "passed": lost == [], "lost": None if lost is None else len(lost), "what_was_lost": lost,
        "seconds": round(time.monotonic() - began), "detail": detail,
    }  # fmt: skip
    conclude(said, whence, KEPT_AT if asked.keep else None)


def page(said: Mapping[str, Any]) -> str:
    """Return what docs/faults.md says of it."""
    return (
        f"`make drill DRILL=clock` lets the clock that all servers but S3 and what they start see jump by {said['detail']['jump_h']} hours over the hour of a schedule, while the training of a run is under way: run and night completed. "
        "It jumps back, and a run begins anew; then over the same hour once more: both runs ended in the rows, weights and metrics of an undisturbed one, and no night was run twice. Runs end before they register, since S3, "
        f"whose clock stays, refuses what is signed hours ahead (`{said['command']}`, [answer](benchmarks/{KEPT_AT.name}), commit `{said['commit']}`, {said['machine']}, beside other work)."
    )


def no_night_registers(deployments: Path) -> None:
    """Have the nightly deployment end with the stage that the other runs end with."""
    said = yaml.safe_load(deployments.read_text())
    (nightly,) = [one for one in said["deployments"] if one["name"] == "nightly"]
    nightly["parameters"]["until"] = UNTIL
    deployments.write_text(yaml.safe_dump(said, sort_keys=False))


def through(drill: Drill, clock: Path) -> dict[str, Any]:
    """Go through the jumps; return what became of the runs, and what of them is not as undisturbed."""
    night = next_night(datetime.now(UTC))
    use(drill.root)
    with drill.client(), prefect_of(drill.root) as client:
        without_looks(client)
        until(lambda: of_night(client, night), lambda: "the night is not scheduled")
        first, training = drill.held()
        jump = beyond(night)
        assert str(clock) == training.environ().get("FAKETIME_TIMESTAMP_FILE"), "the training sees another clock"
        try:
            turn(clock, jump)
            until(
                lambda: nights(client, night), lambda: drill.state(first)
            )  # its hour has come, while the run is under way
        finally:
            let_go(training)
        drill.ended(first)
        until(lambda: set(nights(client, night)) <= {*ENDS}, lambda: nights(client, night))
        forwards = {"nights": nights(client, night), "differs": differs(drill.root, drill.undisturbed)}
        turn(clock, 0)
        drill.ended(drill.anew())
        back = {"differs": differs(drill.root, drill.undisturbed)}
        turn(clock, beyond(night))
        time.sleep(QUIET_S)  # in which it would come a second time
        return {"jump_h": round(jump / 3600, 1), "forwards": forwards, "back": back, "again": nights(client, night)}


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
    """Return what is not as in an undisturbed run, and which nights were not done, or more than once; runs that did not complete have ended the drill."""
    runs = {"under way when the clock jumped": found["forwards"], "asked for when it was back": found["back"]}
    lost = [f"of the run {name}, {one}" for name, run in runs.items() for one in run["differs"]]
    nights = {"after the jump": found["forwards"]["nights"], "after its hour came again": found["again"]}
    return lost + [
        f"the night's runs are {states} {when}" for when, states in nights.items() if states != ["Completed"]
    ]


def nights(client: SyncPrefectClient, night: datetime) -> list[str]:
    """Return how the runs are that this night's hour has begun, or is late to begin."""
    return [state for state in of_night(client, night) if state != "Scheduled"]


def of_night(client: SyncPrefectClient, night: datetime) -> list[str]:
    """Return how the runs are that are to begin at this night's hour."""
    its = DeploymentFilter(id=DeploymentFilterId(any_=[client.read_deployment_by_name("pipeline/nightly").id]))
    runs = client.read_flow_runs(deployment_filter=its, limit=200)
    return [run.state_name or "" for run in runs if run.expected_start_time == night]


if __name__ == "__main__":
    main()
