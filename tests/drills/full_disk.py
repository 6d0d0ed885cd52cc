"""A disk that is full, in each stage while it works: `make drill DRILL=full_disk`.

Real stages, read from dvc.yaml, on a person's own pictures at `debug`. Each is held at its work, after which no file of it may grow any more; it
has to say so and leave nothing half-written, and the next run, with room, has to end in the bytes of an undisturbed one. Prints one JSON
object as its last line; --keep writes it to docs/benchmarks/full-disk.json.
"""

import argparse
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from resource import RLIM_INFINITY, RLIMIT_FSIZE, prlimit
from typing import Any

from components.stages.outcome import StageOutcome
from components.stages.place import address
from tests.drills.kept import about, conclude
from tests.drills.stack import until
from tests.flows.test_kill import STAGES, content, hold, outs, without
from tests.flows.valve import Valve
from tests.own_run import own_run
from tests.workspace import REPOSITORY, dvc

KEPT_AT = REPOSITORY / "docs/benchmarks/full-disk.json"
ROOM_BYTES = 4_096  # that a file may still have: enough to say what happened, too little for any result
NO_ROOM = "Make room there"  # of what a stage says then


def main() -> None:
    """Drill, print; the exit code is 0 where nothing was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--stages", nargs="*", default=[name for name, _ in STAGES], choices=[name for name, _ in STAGES]
    )
    parser.add_argument(
        "--shared", type=Path, help="a folder that has, or gets, the undisturbed run; a new one unless given"
    )
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT_AT.relative_to(REPOSITORY)}")
    asked = parser.parse_args()
    if asked.keep and len(asked.stages) < len(STAGES):
        parser.error("--keep is of all stages, or the page would tell of some as of all. Leave --stages out.")
    whence, began, detail, lost = about("full_disk"), time.monotonic(), dict[str, Any](), list[str]()
    with tempfile.TemporaryDirectory() as folder:
        own = own_run(asked.shared or Path(folder))
        for name, recipe in (one for one in STAGES if one[0] in asked.stages):
            full = address(name, recipe)
            root = without(own, Path(folder) / full, name, recipe)
            try:
                said, failed = run_without_room(root, name, recipe, outs(own, name, recipe))
            except (AssertionError, TimeoutError, subprocess.TimeoutExpired) as err:
                said, failed = "", [f"{type(err).__name__}: {err}"]
            detail[full] = said
            lost += [f"{full}: {one}" for one in (failed or gone_on(root, own, name, recipe))]
            shutil.rmtree(Path(folder) / full)
            print(json.dumps({full: said, "lost": lost}), flush=True)
    passed = not lost
    said = {
        "drill": "full_disk",
        "passed": passed,
        "lost": lost,
        "seconds": round(time.monotonic() - began),
        "detail": detail,
        "room_bytes": ROOM_BYTES,
    }
    conclude(said, whence, KEPT_AT if asked.keep else None)


def run_without_room(root: Path, name: str, recipe: str | None, results: list[str]) -> tuple[str, list[str]]:
    """Run a stage whose files stop growing while it works; return what it said, and what is wrong with how it ended."""

    def wait(condition: Callable[[], object]) -> None:
        until(condition, lambda: StageOutcome.read(root, name, recipe))

    with Valve(root / "events") as valve:
        process, outcome = hold(root, name, recipe, valve, wait)
        prlimit(outcome.pid, RLIMIT_FSIZE, (ROOM_BYTES, RLIM_INFINITY))
        valve.open(process)
        process.communicate(timeout=60)
    after = StageOutcome.read(root, name, recipe)
    assert after is not None
    wrong = []
    if process.returncode == 0:
        wrong.append("it ended well, without room")
    if after.state != "failed":  # what it says of itself is written to a file, too, which is small
        wrong.append(f"it is {after.state}")
    if NO_ROOM not in (after.message or ""):
        wrong.append(f"it does not say that there was no room: {after.message}")
    if any((root / result).exists() for result in results):
        wrong.append("half of an output stays")
    return after.message or after.state, wrong


def gone_on(root: Path, own: Path, name: str, recipe: str | None) -> list[str]:
    """Run the stage again, with room; return which of its outputs are not as in the undisturbed run."""
    ran = dvc(root, "repro", "--single-item", address(name, recipe))
    if ran.returncode:
        return [f"the next run failed: {ran.stdout[-500:]}{ran.stderr[-500:]}"]
    return [result for result in outs(own, name, recipe) if content(root / result) != content(own / result)]


if __name__ == "__main__":
    main()
