"""How near `diptych estimate` comes to the run that follows it: `python -m tests.benchmarks.estimate --workspace FOLDER --keep`.

The workspace has the emoji in (`dvc repro validate`), and micro_clip trained. Five runs are estimated and then run, one after the other: two trainings of seconds a step
and of milliseconds, one that is tuned, a race in the workspace, and a race outside of it. Of each, the whole run by the clock and by what processors worked for it, and
the most that a stage held in memory. Prints one JSON object as its last line; --keep writes it to docs/benchmarks/estimate.json.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from components.contracts.errors import DiptychError
from flows.estimating.clocked import most_held
from infra.results import processor
from tests.benchmarks.environments import ROOT
from tests.benchmarks.loader import commit
from tests.own_pictures import KINDS, paint_kinds, write_table
from tests.workspace import environment

KEPT_AT = ROOT / "docs/benchmarks/estimate.json"
PICTURES = 300
TUNED = ("finetuning.class_path=components.finetuning.locked.LockedImage", "finetuning.init_args.share=0.5")
RECIPES: dict[str, tuple[str, Sequence[str]]] = {
    "clip at debug, 400 steps": ("clip", ("--scale", "debug", "--set", "training.steps=400")),
    "clip at laptop, 60 steps": ("clip", ("--scale", "laptop", "--set", "training.steps=60")),
    "siglip at laptop, 40 steps, tuned for 20": (
        "siglip", ("--scale", "laptop", "--set", "training.steps=40", *(part for said in TUNED for part in ("--set", said))),
    ),
}  # fmt: skip
RACES = {"adapt in a workspace, 90 s": ("--budget", "90s"), "adapt to a folder, 60 s": ("--budget", "60s", "--to", "adapted")}  # fmt: skip


def main() -> None:
    """Estimate and run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=[*RECIPES, *RACES], help="some of the runs")
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT_AT.relative_to(ROOT)}")
    given = parser.parse_args()
    root = given.workspace.resolve()
    runs = []
    with tempfile.TemporaryDirectory() as scratch:
        mine = Path(scratch) / "mine"
        kinds = paint_kinds(
            mine, random.Random(0).sample(range(len(KINDS)), PICTURES)
        )  # whose held-out pictures are no copies of what is learnt from
        write_table(Path(scratch) / "captions.csv", {name: (text, "") for name, text in kinds.items()})
        shutil.move(Path(scratch) / "captions.csv", mine / "captions.csv")
        for name in given.only or [*RECIPES, *RACES]:
            runs.append({"run": name, **held(root, mine, name)})
            if given.keep:  # each as it is there: they take long
                KEPT_AT.write_text(json.dumps(said_of(beside(runs)), indent=2) + "\n", encoding="utf-8")
            print(json.dumps(runs[-1]), flush=True)
    print(json.dumps(said_of(runs)))


def beside(runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return some runs with those that are kept already, in the order of all of them."""
    kept = json.loads(KEPT_AT.read_text(encoding="utf-8"))["runs"] if KEPT_AT.exists() else []
    by_name = {run["run"]: run for run in [*kept, *runs]}
    return [by_name[name] for name in [*RECIPES, *RACES] if name in by_name]


def said_of(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what is kept of some runs."""
    return {
        "bench": "estimate", "runs": runs, "within_a_fifth": sum(abs(run["ratio"] - 1) <= 0.2 for run in runs),
        "work_within_a_fifth": sum(abs(run["cpu_ratio"] - 1) <= 0.2 for run in runs), "of": len(runs), "date": time.strftime("%Y-%m-%d"), "commit": commit(),
        "machine": f"{os.cpu_count()} cores, {processor()}, no GPU; one thread", "command": "python -m tests.benchmarks.estimate --workspace FOLDER",
    }  # fmt: skip


def held(root: Path, mine: Path, name: str) -> dict[str, Any]:
    """Return what was said, and what came of it."""
    if name in RECIPES:
        recipe, more = RECIPES[name]
        said, run = ["estimate", recipe, *more], ["run", "--recipe", recipe, *more]
    else:
        outside = "--to" in RACES[name]
        start = next((root / ".diptych/starts").glob("micro*"))
        asked = [str(mine), "--from", str(start) if outside else "micro_clip", *RACES[name]]
        said, run = ["estimate", "adapt", *asked], ["adapt", *asked]
    params = (root / "params.yaml").read_bytes()
    estimate = json.loads(diptych(root, *said, "--json")[0].splitlines()[-1])
    began, busy = time.perf_counter(), os.getloadavg()[0]
    with Memory() as memory:
        _, cpu_s = diptych(root, *run)
    seconds = time.perf_counter() - began
    shutil.rmtree(root / "adapted", ignore_errors=True)
    diptych(root, "down")
    (root / "params.yaml").write_bytes(params)  # what one run set is no part of the next
    numbers = {
        "said_s": estimate["seconds"], "took_s": seconds, "said_cpu_s": estimate["cpu_s"], "took_cpu_s": cpu_s, "to_say_s": estimate["took_s"],
        "ratio": estimate["seconds"] / seconds, "cpu_ratio": estimate["cpu_s"] / cpu_s, "load": busy,
    }  # fmt: skip
    numbers |= {"said_gb": estimate["memory_bytes"] / 1e9, "took_gb": memory.most / 1e9}
    numbers["memory_ratio"] = numbers["said_gb"] / numbers["took_gb"]
    return {key: round(value, 3) for key, value in numbers.items()}


def diptych(root: Path, *arguments: str) -> tuple[str, float]:
    """Run a command of the workspace; return what it printed, and the seconds that processors worked for it."""
    before = os.times()
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", *arguments],
        cwd=root, env=environment(PYTHONPATH=str(root)), capture_output=True, text=True, check=False,
    )  # fmt: skip
    after = os.times()
    if done.returncode:
        raise DiptychError(f"diptych {' '.join(arguments)} failed: {done.stderr[-2000:]}")
    cpu_s = after.children_user - before.children_user + after.children_system - before.children_system
    return done.stdout, cpu_s


class Memory:
    """The most that one of the processes held which this one started, as the kernel counts it, looked at twenty times a second."""

    def __init__(self) -> None:
        self.most = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.05):
            for child in psutil.Process().children(recursive=True):
                try:
                    command = child.cmdline()
                    if any("components.stages" in part or part == "adapt" for part in command):
                        self.most = max(self.most, most_held(child.pid))
                except (psutil.NoSuchProcess, psutil.ZombieProcess):
                    continue


if __name__ == "__main__":
    main()
