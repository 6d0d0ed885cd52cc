"""What a pipeline on the servers of one machine takes over its stages as plain commands: `python -m tests.benchmarks.overhead --keep`.

The same recipe is trained twice on the same data, by two draws, so that neither finds what the other made: stage by stage with `python -m
components.stages.STAGE`, nothing else running; and by the deployment `pipeline/manual` on all that `diptych up` starts, with Triton and the gateway
serving a model, from asking for it to `Completed`. Each pair has a workspace of its own, and every other one begins with the servers. By the clock, and by
what the whole machine worked. Prints one JSON object as its last line; --keep writes it to docs/benchmarks/overhead.json.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import yaml
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from flows.serving.deploy import deploy
from flows.serving.down import down
from flows.serving.gateway import ensure_gateway
from flows.stack.place import USER, Place
from flows.stack.up import end, up
from infra.results import processor
from tests.benchmarks.loader import commit
from tests.benchmarks.stack import PACKAGE
from tests.drills.stack import until
from tests.flows.rolled import REPOSITORY
from tests.flows.test_stack import forget
from tests.workspace import environment, make_workspace

KEPT_AT = REPOSITORY / "docs/benchmarks/overhead.json"
AIM = 1.05  # times what the stages take as plain commands
STAGES = ("curate", "pretrain", "finetune", "evaluate", "package")


def main() -> None:
    """Run both, print; the exit code is 0 where the servers take no more than they may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=700, help="of the training (700)")
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT_AT.relative_to(REPOSITORY)}")
    parser.add_argument("--pairs", type=int, default=2, help="of both, every other one with the servers first (2)")
    parser.add_argument(
        "--package", type=Path, default=REPOSITORY / PACKAGE, help=f"that is served ({PACKAGE}, of `make run`)"
    )
    given = parser.parse_args()
    if not given.package.is_dir():
        sys.exit(f"there is no package to serve in {given.package}. Run `make run` first, or name another: --package")
    load, pairs = os.getloadavg()[0], list[dict[str, dict[str, float]]]()
    for at in range(given.pairs):
        with tempfile.TemporaryDirectory() as folder:
            pairs.append(pair(Path(folder), given.steps, given.package.resolve(), plain_first=at % 2 == 0))
        print(json.dumps(pairs[-1]), flush=True)
    said = {
        "bench": "overhead", "steps": given.steps, "pairs": pairs, "ratio": ratio(pairs, "seconds"), "cpu_ratio": ratio(pairs, "cpu_s"),
        "machine": f"{os.cpu_count()} cores, {processor()}, no GPU", "load": round(load, 1), "date": time.strftime("%Y-%m-%d"), "commit": commit(),
        "command": "python -m tests.benchmarks.overhead",
    }  # fmt: skip
    if given.keep:
        KEPT_AT.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(said))
    sys.exit(said["ratio"] >= AIM)


def pair(folder: Path, steps: int, package: Path, plain_first: bool) -> dict[str, dict[str, float]]:
    """Return what each side took, in a workspace of its own."""
    root = make_workspace(folder / "place", scale="laptop")
    os.environ |= {"PYTHONPATH": str(root), "DIPTYCH_PYTHON": sys.executable}
    ran(root, [sys.executable, "-m", "dvc", "repro", "-q", "validate"])
    sides = {"plain": lambda: plain(root), "stack": lambda: on_servers(root, package)}
    found = dict[str, dict[str, float]]()
    for draw, name in enumerate(sides if plain_first else reversed(sides), 1):
        choose(root, steps, draw)
        shutil.rmtree(
            root / ".diptych/cache", ignore_errors=True
        )  # pictures that were decoded would be read by the second
        found[name] = sides[name]()
    return found


def plain(root: Path) -> dict[str, float]:
    """Return what the stages take as plain commands."""
    commands = [[sys.executable, "-m", f"components.stages.{one}", "--recipe", "clip"] for one in STAGES]
    return clocked(lambda: [ran(root, command) for command in commands])


def on_servers(root: Path, package: Path) -> dict[str, float]:
    """Return what the pipeline takes on servers, which are started before and ended after it."""
    try:
        up(root, say=lambda said: None)
        deploy(package, root, package.parent.name)
        ensure_gateway(root)
        return clocked(lambda: piped(root))
    finally:
        down(root)
        end(root)
        forget(root)


def ratio(pairs: Sequence[Mapping[str, Mapping[str, float]]], of: str) -> float:
    """Return how many times as much all pipelines took as all plain commands."""
    there, here = (sum(one[side][of] for one in pairs) for side in ("stack", "plain"))
    return round(there / here, 3)


def page(said: Mapping[str, Any]) -> str:
    """Return what docs/stack.md says of it."""
    pairs = said["pairs"]
    here, there = (sum(one[side]["seconds"] for one in pairs) / len(pairs) for side in ("plain", "stack"))
    each = ", ".join(f"{one['stack']['seconds'] / one['plain']['seconds'] - 1:+.1%}" for one in pairs)
    apart = max(max(its) / min(its) - 1 for its in ([one[side]["seconds"] for one in pairs] for side in pairs[0]))
    return (
        f"A pipeline of {here:.0f} s as plain stage commands takes {there:.0f} s on these servers, with a model that is served, from asking for it to `Completed`, `curate` to `package`: {said['ratio'] - 1:+.1%} by the clock ({each}; two runs of one side are up to {apart:.1%} apart), and "
        f"{said['cpu_ratio'] - 1:+.1%} of the processors, all that the servers do meanwhile included. That it be less than {AIM - 1:.0%} {'holds' if said['ratio'] < AIM else 'does not hold'} (`{said['command']} --keep`, [numbers](benchmarks/overhead.json), commit `{said['commit']}`, {said['machine']})."
    )


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
