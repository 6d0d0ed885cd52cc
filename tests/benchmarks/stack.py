"""How long `diptych up` takes until all is well, what the servers need in memory, and what they do when nobody asks: `python -m tests.benchmarks.stack`.

The first time nothing is there yet. Then a package is served, that of `make run` unless another is named, and all is ended and started again: until
the gateway answers by it. Everything that they start is counted, Triton and the gateway too: memory as proportional shares (PSS), processor time over
four times four minutes in which nobody asks for anything, so that the monitor, which looks every quarter of an hour, has looked. Prints one JSON object as its
last line, and ends with 1 where that is more than it may be; --keep writes it to docs/benchmarks/stack.json.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import psutil

from components.serving.endpoint import read_endpoint
from components.serving.record import read_gateway
from flows.serving.deploy import deploy
from flows.serving.down import down
from flows.stack.seen import read_seen
from flows.stack.up import end, up
from infra.results import processor
from tests.benchmarks.loader import commit
from tests.drills.stack import until
from tests.flows.rolled import REPOSITORY, make_place
from tests.flows.test_stack import forget

KEPT_AT = REPOSITORY / "docs/benchmarks/stack.json"
PACKAGE = Path("runs/clip/package")
SETTLES_S, IDLE_S, WINDOWS = 60.0, 240.0, 4
UP_S, MEMORY_MB, IDLE_SHARE = 90, 3 * 1024, 0.05  # below which they have to be


def main() -> None:
    """Start them twice, look, end them, print; the exit code is 0 where they take no more than they may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT_AT.relative_to(REPOSITORY)}")
    parser.add_argument(
        "--package", type=Path, default=REPOSITORY / PACKAGE, help=f"that is served ({PACKAGE}, of `make run`)"
    )
    given = parser.parse_args()
    if not given.package.is_dir():
        sys.exit(f"there is no package to serve in {given.package}. Run `make run` first, or name another: --package")
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        said = measured(Path(folder), given.package.resolve()) | {
            "machine": f"{os.cpu_count()} cores, {processor()}, no GPU", "load": round(load, 1), "date": time.strftime("%Y-%m-%d"),
            "commit": commit(), "command": "python -m tests.benchmarks.stack",
        }  # fmt: skip
    if given.keep:
        KEPT_AT.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(said))
    sys.exit(not holds(said))


def holds(said: Mapping[str, Any]) -> bool:
    """Return whether all is well within 90 s, takes less than 3 GB, and, while nobody asks, less than 5% of a core: on the average of all windows, and in the middle ones."""
    shares = (said["idle_share_of_a_core"], median(said["idle_by_window"]))
    return max(said["first_up_s"], said["up_s"]) < UP_S and said["memory_mb"] < MEMORY_MB and max(shares) < IDLE_SHARE


def measured(folder: Path, package: Path) -> dict[str, Any]:
    """Return seconds of the first start, which makes all, and of the second, which serves a package; memory and idle processor time of the second."""
    root = make_place(folder)
    (root / "flows").symlink_to(REPOSITORY / "flows")
    (root / "prefect.yaml").write_text((REPOSITORY / "prefect.yaml").read_text())
    subprocess.run(["git", "init", "-q", root], check=True)
    os.environ["PYTHONPATH"] = str(REPOSITORY)
    try:
        first_s = started(root)
        end(root)
        deploy(package, root, package.parent.name)
        down(root)
        later_s = started(root)
        time.sleep(SETTLES_S)  # until what follows a start is over
        windows = [idle(root) for _ in range(WINDOWS)]
        memory = {
            name: round(sum(one.memory_full_info().pss for one in its) / 2**20) for name, its in by_name(root).items()
        }
        return {
            "bench": "stack", "first_up_s": first_s, "up_s": later_s, "memory_mb": sum(memory.values()), "memory_by_name_mb": memory,
            "idle_s": IDLE_S, "idle_share_of_a_core": round(sum(sum(one.values()) for one in windows) / WINDOWS, 4),
            "idle_by_window": [round(sum(one.values()), 4) for one in windows],
            "idle_by_name": {name: round(sum(one[name] for one in windows) / WINDOWS, 4) for name in windows[0]},
        }  # fmt: skip
    finally:
        down(root)
        end(root)
        forget(root)


def started(root: Path) -> float:
    """Start all and return the seconds until all is well: until the gateway answers by a model, where one is to be served."""
    began = time.monotonic()
    up(root, say=lambda said: None)
    if (gateway := read_gateway(root)) is not None:
        until(lambda: httpx.get(f"{gateway.url}readyz", timeout=30).status_code == 200, lambda: gateway.url)
    return round(time.monotonic() - began, 1)


def idle(root: Path) -> dict[str, float]:
    """Return which share of a core each worked in IDLE_S in which nobody asked for anything."""
    before = cpu_s(root)
    time.sleep(IDLE_S)
    return {name: (spent - before[name]) / IDLE_S for name, spent in cpu_s(root).items()}


def page(said: dict[str, Any]) -> str:
    """Return what docs/stack.md says of it."""
    most = ", ".join(
        f"{name} {size}" for name, size in sorted(said["memory_by_name_mb"].items(), key=lambda one: -one[1])
    )
    idle = ", ".join(
        f"{name} {share:.1%}" for name, share in sorted(said["idle_by_name"].items(), key=lambda one: -one[1])
    )
    each = ", ".join(f"{share:.1%}" for share in said["idle_by_window"])
    return (
        f"Until all is well {said['first_up_s']:.0f} s the first time, when everything is made, and {said['up_s']:.0f} s later, when a model is served, too; {said['memory_mb']:,} MB of memory in all "
        f"({most}); and {said['idle_share_of_a_core']:.1%} of a core while nobody asks for anything ({each} in {len(said['idle_by_window'])} times {said['idle_s'] / 60:.0f} minutes, a "
        f"monitor's look among them; {idle}) (`{said['command']} --keep`, [numbers](benchmarks/stack.json), "
        f"{said['machine']}, load {said['load']}, commit `{said['commit']}`)."
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
    gateway, endpoint = read_gateway(root), read_endpoint(root)
    assert gateway is not None
    assert endpoint is not None
    server, keeper = (psutil.Process(one.process.pid) for one in (endpoint, gateway))
    found["triton"] = [server, *server.children(recursive=True)]
    found["gateway"] = [one for one in (keeper, *keeper.children(recursive=True)) if one not in found["triton"]]
    return found


if __name__ == "__main__":
    main()
