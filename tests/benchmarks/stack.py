"""How long `diptych up` takes until all is well, what the servers need in memory, and what they do when nobody asks: `python -m tests.benchmarks.stack`.

Everything that they start is counted: memory as proportional shares (PSS), processor time over sixteen minutes in which nobody asks for anything, so that
the monitor, which looks every quarter of an hour, has looked. Prints one JSON object as its last line; --keep writes it to docs/benchmarks/stack.json.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from flows.stack.seen import read_seen
from flows.stack.up import end, up
from infra.results import processor
from tests.benchmarks.loader import commit
from tests.flows.rolled import REPOSITORY, make_place
from tests.flows.test_stack import forget

KEPT_AT = REPOSITORY / "docs/benchmarks/stack.json"
SETTLES_S, IDLE_S = 60.0, 960.0


def main() -> None:
    """Start them twice, look, end them, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT_AT.relative_to(REPOSITORY)}")
    given = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        said = measured(Path(folder)) | {
            "machine": f"{os.cpu_count()} cores, {processor()}, no GPU", "load": round(load, 1), "date": time.strftime("%Y-%m-%d"),
            "commit": commit(), "command": "python -m tests.benchmarks.stack",
        }  # fmt: skip
    if given.keep:
        KEPT_AT.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(said))


def measured(folder: Path) -> dict[str, Any]:
    """Return seconds of the first start, which makes all, and of the second; memory and idle processor time of the second."""
    root = make_place(folder)
    (root / "flows").symlink_to(REPOSITORY / "flows")
    (root / "prefect.yaml").write_text((REPOSITORY / "prefect.yaml").read_text())
    subprocess.run(["git", "init", "-q", root], check=True)
    os.environ["PYTHONPATH"] = str(REPOSITORY)
    try:
        seconds = []
        for again in (False, True):
            began = time.monotonic()
            up(root, say=lambda said: None)
            seconds.append(round(time.monotonic() - began, 1))
            if not again:
                end(root)
        time.sleep(SETTLES_S)  # until what follows a start is over
        before = cpu_s(root)
        time.sleep(IDLE_S)
        used = {name: spent - before[name] for name, spent in cpu_s(root).items()}
        memory = {
            name: round(sum(one.memory_full_info().pss for one in its) / 2**20) for name, its in by_name(root).items()
        }
        return {
            "bench": "stack", "first_up_s": seconds[0], "up_s": seconds[1], "memory_mb": sum(memory.values()), "memory_by_name_mb": memory,
            "idle_s": IDLE_S, "idle_share_of_a_core": round(sum(used.values()) / IDLE_S, 4),
            "idle_by_name": {name: round(one / IDLE_S, 4) for name, one in used.items()},
        }  # fmt: skip
    finally:
        end(root)
        forget(root)


def page(said: dict[str, Any]) -> str:
    """Return what docs/stack.md says of it."""
    most = ", ".join(
        f"{name} {size}" for name, size in sorted(said["memory_by_name_mb"].items(), key=lambda one: -one[1])
    )
    idle = ", ".join(
        f"{name} {share:.1%}" for name, share in sorted(said["idle_by_name"].items(), key=lambda one: -one[1])
    )
    return (
        f"Until all is well {said['first_up_s']:.0f} s the first time, when everything is made, and {said['up_s']:.0f} s later; {said['memory_mb']:,} MB of memory in all "
        f"({most}); and {said['idle_share_of_a_core']:.1%} of a core over {said['idle_s'] / 60:.0f} minutes in which nobody asks for anything ({idle}; a "
        f"monitor's look is among them) (`{said['command']} --keep`, [numbers](benchmarks/stack.json), "
        f"{said['machine']}, load {said['load']}, commit `{said['commit']}`). The gateway and Triton are not among them."
    )


def cpu_s(root: Path) -> dict[str, float]:
    """Return the processor seconds of each so far, with those of what it started and has ended; no server ends while nothing is asked."""
    return {name: sum(sum(one.cpu_times()[:4]) for one in its) for name, its in by_name(root).items()}


def by_name(root: Path) -> dict[str, list[psutil.Process]]:
    """Return the processes of each server, and of the supervisor."""
    seen = read_seen(root)
    assert seen is not None
    found = {"supervisor": [psutil.Process(seen.process.pid)]}
    for one in seen.services:
        assert one.pid is not None, one
        process = psutil.Process(one.pid)
        found[one.name] = [process, *process.children(recursive=True)]
    return found


if __name__ == "__main__":
    main()
