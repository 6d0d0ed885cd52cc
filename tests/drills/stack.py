"""Faults of the servers of one machine while a flow runs: `make drill DRILL=stack`.

A worker is killed with the run that it has: nobody is left who could say so, and the run has to count as crashed, and be done by the next worker,
within two minutes, although its deployment has one place, which the killed run had, and for which another one waits. Then PostgreSQL, Prefect's server and S3 are killed while a run is under way, which has to end as if nothing had been. Prints one
JSON object as its last line.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from flows.stack.place import USER, Place
from flows.stack.seen import read_seen
from tests.drills.on_stack import on_stack
from tests.flows.rolled import REPOSITORY, make_place

PATIENCE_S = 300.0
FLOW = '''
import os, time
from pathlib import Path

from prefect import flow


@flow(name="slow", log_prints=True)
def slow(seconds: float, file: str) -> None:
    """Take so long, the first time; a second time there is nothing left to do."""
    path = Path(file)
    if path.exists():
        path.write_text(path.read_text() + "again\\n")
        return
    path.write_text(f"{os.getpid()}\\n")
    time.sleep(seconds)
    path.write_text(path.read_text() + "done\\n")
'''


def main() -> None:
    """Drill, print; the exit code is 0 where every run ended as it should."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        root = place(Path(folder))
        detail = on_stack(root, lambda: drill(root))
    passed = "fault" not in detail
    print(
        json.dumps({"drill": "stack", "passed": passed, "seconds": round(time.monotonic() - began), "detail": detail})
    )
    sys.exit(not passed)


def place(root: Path) -> Path:
    """Make a workspace that has the slow flow besides the others."""
    make_place(root)
    (root / "flows").symlink_to(REPOSITORY / "flows")
    (root / "prefect.yaml").write_text((REPOSITORY / "prefect.yaml").read_text())
    (root / "slow.py").write_text(FLOW)
    subprocess.run(["git", "init", "-q", root], check=True)
    os.environ["PYTHONPATH"] = str(REPOSITORY)
    return root


def drill(root: Path) -> dict[str, Any]:
    """Go through all of it; return seconds."""
    its = Place.read(root)
    ours = {PREFECT_API_URL: f"{its.url('prefect')}/api", PREFECT_API_AUTH_STRING: f"{USER}:{its.passwords['prefect']}"}
    with temporary_settings(ours), get_client(sync_client=True) as client:
        deployment = client.create_deployment(
            client.create_flow_from_name("slow"), "manual", entrypoint="slow.py:slow", work_pool_name="cpu", tags=["diptych"], concurrency_limit=1,
            pull_steps=[{"prefect.deployments.steps.set_working_directory": {"directory": str(root)}}],
            parameter_openapi_schema={"type": "object", "properties": {"seconds": {"type": "number"}, "file": {"type": "string"}}},
        )  # fmt: skip

        def run(seconds: float, file: Path) -> FlowRun:
            made = client.create_flow_run_from_deployment(
                deployment, parameters={"seconds": seconds, "file": str(file)}
            )
            until(lambda: file.exists() and file.read_text(), lambda: client.read_flow_run(made.id).state)
            return made

        def state(made: FlowRun) -> str:
            found = client.read_flow_run(made.id).state
            return found.name if found else ""

        first = run(600.0, root / "first")
        waiting = client.create_flow_run_from_deployment(
            deployment, parameters={"seconds": 1.0, "file": str(root / "waiting")}
        )
        until(lambda: state(waiting) == "AwaitingConcurrencySlot", lambda: state(waiting))
        killed = time.monotonic()
        worker = service(root, "worker-cpu")
        family = [*psutil.Process(worker).children(recursive=True), psutil.Process(worker)]
        for process in family:
            process.send_signal(signal.SIGKILL)
        crashed = until(lambda: client.read_flow_run(first.id).state_name != "Running", lambda: state(first))
        assert client.read_flow_run(first.id).state_name in (
            "Crashed",
            "AwaitingRetry",
            "Pending",
            "Running",
            "Completed",
        )
        until(lambda: {"Completed"} <= {state(first), state(waiting)}, lambda: (state(first), state(waiting)))
        free = time.monotonic() - killed
        until(lambda: {state(first), state(waiting)} == {"Completed"}, lambda: (state(first), state(waiting)))
        done = time.monotonic() - killed
        assert (root / "first").read_text().endswith("again\n")
        detail: dict[str, Any] = {
            "worker_killed": {
                "crashed_after_s": round(crashed),
                "place_free_after_s": round(free),
                "both_done_after_s": round(done),
            }
        }

        def through(name: str) -> dict[str, int]:
            """Kill a server while a run is under way; the run ends as if nothing had been."""
            file = root / f"while-{name}"
            made = run(20.0, file)
            os.kill(service(root, name), signal.SIGKILL)
            seconds = until(lambda: settled(state, made), file.read_text)
            assert file.read_text().endswith("done\n"), file.read_text()
            assert client.read_flow_run(made.id).run_count == 1, "it was done once"
            return {"completed_after_s": round(seconds)}

        return detail | {f"{name}_killed": through(name) for name in ("postgres", "prefect", "s3")}


def settled(state: Callable[[FlowRun], str], made: FlowRun) -> bool:
    """Return whether a run has completed, as far as the server can say so now."""
    try:
        return state(made) == "Completed"
    except Exception:  # the server is being started again
        return False


def service(root: Path, name: str) -> int:
    """Return the process of a server that is well, once it is."""
    found: list[int] = []

    def well() -> bool:
        seen = read_seen(root)
        found[:] = [
            one.pid for one in (seen.services if seen else ()) if one.name == name and one.state == "well" and one.pid
        ]
        return bool(found)

    until(well, lambda: read_seen(root))
    return found[0]


def until(
    condition: Callable[[], object], seen: Callable[[], object], patience_s: float = PATIENCE_S, every_s: float = 0.1
) -> float:
    """Wait for a condition; return the seconds that it took, TimeoutError, with what was seen, after the patience."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > patience_s:
            raise TimeoutError(f"did not happen in {patience_s:.0f} s; seen last: {seen()}")
        time.sleep(every_s)
    return time.monotonic() - began


if __name__ == "__main__":
    main()
