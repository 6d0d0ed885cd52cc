"""What a pipeline on the servers of one machine takes over its stages as plain commands: `python -m tests.benchmarks.overhead --keep`.

The same recipe is trained twice on the same data, by two draws, so that neither finds what the other made: stage by stage with `python -m
components.stages.STAGE`, nothing else running; then by the deployment `pipeline/manual` on what `diptych up` starts, from asking for it to `Completed`.
By the clock, and by what the whole machine worked. Prints one JSON object as its last line; --keep writes it to docs/benchmarks/overhead.json.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import yaml
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from flows.stack.place import USER, Place
from flows.stack.up import end, up
from infra.results import processor
from tests.benchmarks.loader import commit
from tests.drills.stack import until
from tests.flows.rolled import REPOSITORY
from tests.flows.test_stack import forget
from tests.workspace import environment, make_workspace

KEPT_AT = REPOSITORY / "docs/benchmarks/overhead.json"
STAGES = ("curate", "pretrain", "finetune", "evaluate", "package")


def main() -> None:
    """Run both, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=700, help="of the training (700)")
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT_AT.relative_to(REPOSITORY)}")
    given = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        root = make_workspace(Path(folder) / "place", scale="laptop")
        os.environ |= {"PYTHONPATH": str(root), "DIPTYCH_PYTHON": sys.executable}
        ran(root, [sys.executable, "-m", "dvc", "repro", "-q", "validate"])
        choose(root, given.steps, draw=1)
        plain = clocked(
            lambda: [
                ran(root, [sys.executable, "-m", f"components.stages.{one}", "--recipe", "clip"]) for one in STAGES
            ]
        )
        choose(root, given.steps, draw=2)
        shutil.rmtree(
            root / ".diptych/cache", ignore_errors=True
        )  # pictures that were decoded would be read by the second
        try:
            up(root, without=["hooks", "triton"], say=lambda said: None)
            stack = clocked(lambda: piped(root))
        finally:
            end(root)
            forget(root)
    said = {
        "bench": "overhead", "steps": given.steps, "plain": plain, "stack": stack, "ratio": round(stack["seconds"] / plain["seconds"], 3),
        "cpu_ratio": round(stack["cpu_s"] / plain["cpu_s"], 3), "machine": f"{os.cpu_count()} cores, {processor()}, no GPU", "load": round(load, 1),
        "commit": commit(), "command": "python -m tests.benchmarks.overhead",
    }  # fmt: skip
    if given.keep:
        KEPT_AT.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(said))


def choose(root: Path, steps: int, draw: int) -> None:
    """Set what is trained."""
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["overrides"]["training"] = {"steps": steps, "draw": draw}
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def clocked(work: Callable[[], object]) -> dict[str, float]:
    """Return seconds by the clock, and those that all processors worked, for whomever."""
    began, busy = time.monotonic(), busy_s()
    work()
    return {"seconds": round(time.monotonic() - began, 1), "cpu_s": round(busy_s() - busy, 1)}


def busy_s() -> float:
    """Return the seconds that the machine's processors have worked so far."""
    now = psutil.cpu_times()
    return float(now.user + now.system + now.nice)


def ran(root: Path, command: list[str]) -> None:
    """Run to its end; CalledProcessError, with what it said on the screen, where it fails."""
    subprocess.run(command, cwd=root, env=environment(PYTHONPATH=str(root)), stdout=subprocess.DEVNULL, check=True)


def piped(root: Path) -> None:
    """Ask for the deployment, and wait until its run is over; AssertionError where it did not end well."""
    its = Place.read(root)
    ours = {PREFECT_API_URL: f"{its.url('prefect')}/api", PREFECT_API_AUTH_STRING: f"{USER}:{its.passwords['prefect']}"}
    with temporary_settings(ours), get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name("pipeline/manual").id
        made = client.create_flow_run_from_deployment(deployment, parameters={"recipe": "clip", "until": "package"})

        def state() -> Any:
            return client.read_flow_run(made.id).state

        until(lambda: state().is_final(), state, patience_s=1800.0, every_s=1.0)  # to ask is work, too
        assert state().is_completed(), state()


if __name__ == "__main__":
    main()
