"""A thousand pictures, a quarter of an hour, set-up included, and a run that is killed: `python -m tests.benchmarks.adapt_quarter --keep`.

A clone of this repository is set up by its own script, and `diptych adapt MINE --from micro_clip --budget …` runs in it, micro_clip not trained yet; the clock goes from the clone until the
search page answers. One's own are painted shapes, each of a kind of its own. Then the same with another seed, of which every process is killed (SIGKILL) when heats of its race
are kept and another is on the way: the same command goes on, and what was kept is looked at again. Prints one JSON object as its last line; --keep writes it to
docs/benchmarks/adapt-quarter.json.
"""

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

from components.contracts.errors import DiptychError
from components.serving.record import read_gateway
from infra.results import processor
from tests.benchmarks.environments import ROOT
from tests.benchmarks.loader import commit
from tests.own_pictures import KINDS, paint_kinds, write_table
from tests.workspace import environment

KEPT_AT = ROOT / "docs/benchmarks/adapt-quarter.json"
PATIENCE_S = 3_600.0
DONE = "tuned.safetensors"  # what a heat of a way to tune leaves, beside heat.json


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=1_000)
    parser.add_argument("--budget", default="5m", help="of the race, which is a part of the quarter of an hour")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT_AT.relative_to(ROOT)}")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root, mine = Path(scratch) / "fresh", Path(scratch) / "mine"
        write_mine(mine, given.pictures, given.seed)
        command = ["adapt", str(mine), "--from", "micro_clip", "--budget", given.budget]
        try:
            whole = run_whole(root, [*command, "--seed", str(given.seed)])
            killed = run_killed(root, [*command, "--seed", str(given.seed + 1)])
        finally:
            diptych(root, "down")
    said = {
        "bench": "adapt_quarter", "pictures": given.pictures, "budget": given.budget, "seed": given.seed, "whole": whole, "killed": killed,
        "date": time.strftime("%Y-%m-%d"), "commit": commit(), "machine": f"{os.cpu_count()} cores, {processor()}, no GPU",
        "command": f"python -m tests.benchmarks.adapt_quarter --budget {given.budget}",
    }  # fmt: skip
    if given.keep:
        KEPT_AT.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(said))


def write_mine(folder: Path, count: int, seed: int) -> None:
    """Write so many painted shapes, drawn by the seed, and their captions."""
    said = paint_kinds(folder, random.Random(seed).sample(range(len(KINDS)), count))
    write_table(folder / "captions.csv", {name: (text, "") for name, text in said.items()})


def run_whole(root: Path, command: list[str]) -> dict[str, Any]:
    """Clone, set up, adapt and ask the page; return the seconds of each and what came of it."""
    began = time.perf_counter()
    subprocess.run(["git", "clone", "-q", str(ROOT), str(root)], check=True)
    subprocess.run(["infra/setup.sh"], cwd=root, check=True, stdout=sys.stderr)
    set_up = time.perf_counter()
    finished(diptych(root, *command))
    adapted = time.perf_counter()
    answers(root)
    ends = time.perf_counter()
    took = {"set_up_s": set_up - began, "adapt_s": adapted - set_up, "page_s": ends - adapted, "all_s": ends - began}
    return {**{name: round(seconds, 1) for name, seconds in took.items()}, **came_of(root)}


def run_killed(root: Path, command: list[str]) -> dict[str, Any]:
    """Kill a run inside a heat, run it again, and return how many heats were kept and gone on with."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [str(root / "infra/python"), "-m", "flows.cli", *command], cwd=root, env=around(root), stdout=sys.stderr, start_new_session=True
    )  # fmt: skip
    wait_for(lambda: within_a_heat(root), process)
    its = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    for one in its:
        one.kill()
    psutil.wait_procs(its, 60)
    process.wait(60)
    before, at = heats(root), time.perf_counter()
    again = subprocess.Popen(
        [str(root / "infra/python"), "-m", "flows.cli", *command], cwd=root, env=around(root), stdout=sys.stderr
    )
    wait_for(lambda: len(heats(root)) > len(before), again)
    after = heats(root)
    if again.wait(PATIENCE_S):
        raise DiptychError(f"diptych {' '.join(command)} failed when it was run again; what it said stands above.")
    answers(root)
    ends = time.perf_counter()
    return {
        "heats": len(before), "untouched": sum(after.get(name) == stamp for name, stamp in before.items()), "killed_at_s": round(at - began, 1),
        "again_s": round(ends - at, 1), **came_of(root),
    }  # fmt: skip


def heats(root: Path) -> dict[str, tuple[str, int]]:
    """Return the heats of ways to tune that are kept: folder -> digest and time of what each came to."""
    found = (path for path in (root / ".diptych/resume").rglob("heat.json") if (path.parent / DONE).exists())
    return {
        str(path.parent): (hashlib.sha256((path.parent / DONE).read_bytes()).hexdigest(), path.stat().st_mtime_ns) for path in found
    }  # fmt: skip


def within_a_heat(root: Path) -> bool:
    """Return whether a heat is kept and another has begun."""
    kept = [Path(place) for place in heats(root)]
    begun = {
        path for place in kept for path in place.parent.iterdir() if path.is_dir() and not (path / "heat.json").exists()
    }
    return bool(begun)


def wait_for(holds: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Wait until something holds; DiptychError where the process ends before, or an hour goes by."""
    ends = time.monotonic() + PATIENCE_S
    while not holds():
        if process.poll() is not None or time.monotonic() > ends:
            raise DiptychError(
                f"process {process.pid} ended with {process.poll()} before what was waited for; what it said stands above."
            )
        time.sleep(0.05)


def answers(root: Path) -> None:
    """Ask the page until it answers; DiptychError where none does within a minute."""
    ends, gateway = time.monotonic() + 60, read_gateway(root)
    if gateway is None:
        raise DiptychError(f"no gateway runs in {root}, so there is no page.")
    while True:
        try:
            with urllib.request.urlopen(gateway.url, timeout=5) as answer:
                if "<input" in answer.read().decode():
                    return
        except OSError as err:
            if time.monotonic() > ends:
                raise DiptychError(f"{gateway.url} does not answer: {err}.") from err
            time.sleep(0.1)


def came_of(root: Path) -> dict[str, Any]:
    """Return what a run says it came to: the sentence, and each main number against the start."""
    package = root / "runs/adapted/package"
    manifest = json.loads((package / "manifest.json").read_text(encoding="utf-8"))
    held = json.loads((root / "runs/adapted/evaluate/against_start.json").read_text(encoding="utf-8"))
    own = next(line for line in held["own"] if line["metric"] == "retrieval.pair.mean_recall")
    kept = ("metric", "difference", "low", "high")
    return {
        "advice": manifest["advice"], "own": {name: own[name] for name in kept}, "elsewhere": manifest["elsewhere"],
        "report_bytes": (package / "report.html").stat().st_size,
    }  # fmt: skip


def around(root: Path) -> dict[str, str]:
    """Return the environment of a command of the clone, which runs by what its own set-up made."""
    return environment(DIPTYCH_PYTHON=str(root / ".venv/bin/python"))


def diptych(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the clone."""
    return subprocess.run(
        [str(root / ".venv/bin/diptych"), *arguments], cwd=root, env=around(root), capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def finished(done: subprocess.CompletedProcess[str]) -> str:
    """Return what a command printed; DiptychError where it failed."""
    if done.returncode:
        raise DiptychError(f"{' '.join(done.args)} failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def sentence(said: Mapping[str, Any] | None) -> str:
    """Return what docs/adapt-measured.md says of it; `said` is what is kept, None of nothing."""
    if said is None:
        return "*Not measured* yet."
    whole, killed = said["whole"], said["killed"]
    own, general = whole["own"], whole["elsewhere"]["general"]
    gain, loss = (
        f"{100 * of['difference']:+.1f} ({100 * of['low']:+.1f} to {100 * of['high']:+.1f})" for of in (own, general)
    )
    return (
        f"{said['pictures']:,} pictures, `--budget {said['budget']}`, {said['machine']}, commit `{said['commit']}`: {whole['all_s'] / 60:.1f} minutes from the clone to a page that answers "
        f"({whole['set_up_s'] / 60:.1f} of them set-up), {gain} points of mean recall here, {loss} on `general`. Killed inside a heat, it went on with what was done: "
        f"{killed['untouched']} of {killed['heats']} heats untouched."
    )


if __name__ == "__main__":
    main()
