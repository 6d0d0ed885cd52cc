"""A disk that is full, in each stage while it works: `make drill DRILL=full_disk`.

Real stages, read from dvc.yaml, on a person's own pictures at `debug`, in a workspace on a disk of its own. Each is held at its work while that disk is filled to the
last byte; it has to say so and leave nothing half-written, and the next run, with room, has to end in the bytes of an undisturbed one. Root alone can run it, who may
mount a disk. Prints one JSON object as its last line; --keep writes it to docs/benchmarks/full-disk.json.
"""

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from components.stages.outcome import StageOutcome
from components.stages.place import address
from tests.drills.disk import full, mounted, need_root
from tests.drills.kept import about, conclude
from tests.drills.stack import until
from tests.flows.test_kill import STAGES, content, hold, outs, without
from tests.flows.valve import Valve
from tests.own_run import own_run
from tests.workspace import REPOSITORY, dvc

KEPT_AT = REPOSITORY / "docs/benchmarks/full-disk.json"
SPARE_MB = 64  # of the disk, beside the workspace
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
    need_root("the workspace")
    whence, began, detail, lost = about("full_disk"), time.monotonic(), dict[str, Any](), list[str]()
    with tempfile.TemporaryDirectory() as folder:
        own = own_run(asked.shared or Path(folder))
        for name, recipe in (one for one in STAGES if one[0] in asked.stages):
            called = address(name, recipe)
            with mounted(Path(folder) / "disk", f"{size_mb(own.parent) + SPARE_MB}m") as disk:
                root = without(own, disk, name, recipe)
                try:
                    said, failed = run_without_room(root, disk, name, recipe, outs(own, name, recipe))
                except (AssertionError, TimeoutError, subprocess.TimeoutExpired) as err:
                    said, failed = "", [f"{type(err).__name__}: {err}"]
                detail[called] = said
                lost += [f"{called}: {one}" for one in (failed or gone_on(root, own, name, recipe))]
            print(json.dumps({called: said, "lost": lost}), flush=True)
    passed = not lost
    said = {
        "drill": "full_disk",
        "passed": passed,
        "lost": lost,
        "seconds": round(time.monotonic() - began),
        "detail": detail,
    }
    conclude(said, whence, KEPT_AT if asked.keep else None)


def page(said: Mapping[str, Any]) -> str:
    """Return what docs/faults.md says of it."""
    return (
        f"`make drill DRILL=full_disk` has a workspace on a disk of its own, and fills that to the last byte while a stage works. Each of the {len(said['detail'])} stages left no half of an output, said so in one sentence, with the place and the room there, "
        f"counted as failed by that sentence, and ended in the bytes of an undisturbed run the next time (`{said['command']}`, [answer](benchmarks/{KEPT_AT.name}), commit `{said['commit']}`, {said['machine']}, {said['seconds']} s)."
    )


def size_mb(folder: Path) -> int:
    """Return what the files of a folder take, rounded up to pages."""
    files = [path.lstat().st_size for path in folder.rglob("*")]
    return sum(-(-size // 4096) * 4096 for size in files) // 2**20 + 1


def run_without_room(
    root: Path, disk: Path, name: str, recipe: str | None, results: list[str]
) -> tuple[str, list[str]]:
    """Run a stage whose disk is full while it works; return what it said, and what is wrong with how it ended."""

    def wait(condition: Callable[[], object]) -> None:
        until(condition, lambda: StageOutcome.read(root, name, recipe))

    with Valve(root / "events") as valve:
        process, _ = hold(root, name, recipe, valve, wait)
        with full(disk):
            valve.open(process)
            printed, _ = process.communicate(timeout=120)
            half = [result for result in results if (root / result).exists()]
    said = [line for line in printed.splitlines() if NO_ROOM in line]
    wrong = [f"half of {result} stays" for result in half]
    if process.returncode == 0:
        wrong.append("it ended well, without room")
    if not said:
        wrong.append(f"it does not say that there was no room: {printed[-1500:]}")
    after = StageOutcome.read(root, name, recipe)
    if after is None or (after.state, f"{address(name, recipe)}: {after.message}") != (
        "failed",
        said[-1] if said else "",
    ):
        wrong.append(f"what is known of it is {after}")
    return said[-1].replace(str(disk), "DISK") if said else "", wrong


def gone_on(root: Path, own: Path, name: str, recipe: str | None) -> list[str]:
    """Run the stage again, with room; return which of its outputs are not as in the undisturbed run."""
    ran = dvc(root, "repro", "--single-item", address(name, recipe))
    if ran.returncode:
        return [f"the next run failed: {ran.stdout[-500:]}{ran.stderr[-500:]}"]
    return [result for result in outs(own, name, recipe) if content(root / result) != content(own / result)]


if __name__ == "__main__":
    main()
