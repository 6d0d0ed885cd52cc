"""How often a `micro_clip` that is adapted loses more than may be lost: `python -m tests.benchmarks.adapt_kept --keep`.

`diptych adapt MINE --from micro_clip --to DIR`, a thousand painted shapes a seed, two seeds side by side on a thread each. The seed draws the shapes, splits and batches; the start is one.
What the gate of a workspace would say of each follows from the halves of the general sets that nothing was chosen by. Prints one JSON object as its last line; --keep writes it to
docs/benchmarks/adapt-kept.json.
"""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

from components.stages.micro_clip import micro_clip
from flows.adapt import MOST_LOST, Asked, adapt, adapted_of
from infra.results import processor
from tests.benchmarks.adapt_quarter import write_mine
from tests.benchmarks.environments import ROOT
from tests.benchmarks.loader import commit

KEPT_AT = ROOT / "docs/benchmarks/adapt-kept.json"
OWN = "retrieval.pair.mean_recall"


def main() -> None:
    """Adapt with each seed, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(8)))
    parser.add_argument("--pictures", type=int, default=1_000)
    parser.add_argument("--budget-s", type=float, default=300.0)
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT_AT.relative_to(ROOT)}")
    given = parser.parse_args()
    start = micro_clip(ROOT)
    os.environ["OMP_NUM_THREADS"] = "1"  # of those that are spawned
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        one = partial(adapted, start=start, pictures=given.pictures, budget_s=given.budget_s)
        runs = list(pool.map(one, given.seeds))
    said = {
        "bench": "adapt_kept", "pictures": given.pictures, "budget_s": given.budget_s, "most_lost": MOST_LOST, "runs": runs,
        "date": time.strftime("%Y-%m-%d"), "commit": commit(), "machine": f"{os.cpu_count()} cores, {processor()}, no GPU",
        "command": f"python -m tests.benchmarks.adapt_kept --seeds {' '.join(map(str, given.seeds))}",
    }  # fmt: skip
    if given.keep:
        KEPT_AT.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(said))


def adapted(seed: int, start: Path, pictures: int, budget_s: float) -> dict[str, Any]:
    """Return what came of one seed: the alpha that was taken, what was gained on one's own that nothing was chosen by, and lost elsewhere."""
    with tempfile.TemporaryDirectory() as scratch, redirect_stdout(sys.stderr):
        here = Path(scratch)
        write_mine(here / "mine", pictures, seed)
        asked = Asked(data=str(here / "mine"), start=start, budget_s=budget_s, seed=seed)
        adapt(asked, here, here / "out", as_json=False)
        said = json.loads((here / "out/adapted.json").read_text(encoding="utf-8"))
    (own,) = (line for line in adapted_of(said["own"]) if line["metric"] == OWN)
    kept = ("difference", "low", "high")
    return {
        "seed": seed, "way": said["way"], "steps": said["steps"], "alpha": said["alpha"], "own": {name: own[name] for name in kept},
        "elsewhere": {
            line["metric"].split(".")[1]: {**{name: line[name] for name in kept}, "able": line["able"]}
            for line in adapted_of(said["elsewhere"]) if line["metric"].endswith((".category.top1", ".mean_recall"))
        },
    }  # fmt: skip


def refused(run: Mapping[str, Any], most_lost: float) -> bool:
    """Return whether the gate would refuse it: a number that the start can do fell by more than may be lost."""
    return any(of["able"] and of["difference"] < -most_lost for of in run["elsewhere"].values())


def sentence(said: Mapping[str, Any]) -> str:
    """Return what docs/adapt-measured.md says of it."""
    runs, allowed = said["runs"], said["most_lost"]
    own = points(run["own"] for run in runs)
    general, drawn, digits = (points(run["elsewhere"][name] for run in runs) for name in ("general", "drawn", "digits"))
    return (
        f"`{said['command']}`, which takes `--to`, commit `{said['commit']}`, the mean of {len(runs)} seeds, and the least and most of them: {own} points of mean recall here, {general} on `general`, "
        f"{drawn} points of top-1 on `drawn`, and {digits} on `digits`, which the start cannot name and which bounds nothing. {sum(refused(run, allowed) for run in runs)} of {len(runs)} lost more than "
        f"{100 * allowed:g} point on `general` or `drawn`, which the gate of a workspace would refuse."
    )


def points(lines: Iterable[Mapping[str, float]]) -> str:
    """Return the mean of differences, and the least and the most of them, in points."""
    moved = [100 * line["difference"] for line in lines]
    return f"{sum(moved) / len(moved):+.1f} ({min(moved):+.1f} to {max(moved):+.1f})"


if __name__ == "__main__":
    main()
