"""What adapting gains on pictures of one's own, and loses elsewhere: `python -m tests.benchmarks.adapt --workspace . --seeds 0 1 2 --keep`.

The start is the model of a workspace in which the recipe `clip` was run on the emoji; one's own are 450 painted shapes in ten colours at five places, which it has
never seen; elsewhere are the emoji of `pair`. Beside it stands what tuning alone does: the way that won, all the way (alpha 1), as most do it.
Prints one JSON object as its last line; --keep writes it to docs/benchmarks/adapt.json.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from components.data.manifest import read_manifest
from components.data.selection import read_pool
from flows.adapt import Asked, adapt
from infra.results import processor
from tests.benchmarks.environments import ROOT
from tests.benchmarks.loader import commit
from tests.own_pictures import paint, write_table
from tests.their_sets import write_set

KEPT_AT = ROOT / "docs/benchmarks/adapt.json"
PICTURES = 450


def main() -> None:
    """Adapt with each seed, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, default=ROOT)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--budget-s", type=float, default=240.0)
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT_AT.relative_to(ROOT)}")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        runs = [
            adapted(given.workspace.resolve(), Path(scratch) / str(seed), seed, given.budget_s) for seed in given.seeds
        ]
    said = {
        "bench": "adapt", "pictures": PICTURES, "budget_s": given.budget_s, "runs": runs, "date": time.strftime("%Y-%m-%d"), "commit": commit(),
        "machine": f"{os.cpu_count()} cores, {processor()}, no GPU",
        "command": f"python -m tests.benchmarks.adapt --seeds {' '.join(map(str, given.seeds))}",
    }  # fmt: skip
    if given.keep:
        KEPT_AT.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(said))


def adapted(workspace: Path, folder: Path, seed: int, budget_s: float) -> dict[str, Any]:
    """Return what came of one seed."""
    folder.mkdir()
    pool = read_pool(read_manifest(workspace / "data/evaluation/pair/manifest.parquet"), workspace / "data/raw")
    rows = [
        {"png": data, "txt": "\n".join(texts).encode()}
        for data, texts in zip(pool.pictures, pool.captions, strict=True)
    ]
    write_set(folder / "emoji", rows)
    write_table(folder / "captions.csv", paint(folder / "mine", PICTURES, side=72))
    (folder / "captions.csv").rename(folder / "mine/captions.csv")
    began = time.perf_counter(), time.process_time()
    asked = Asked(
        data="mine", start=workspace / "runs/clip/finetune", sets=[folder / "emoji"], budget_s=budget_s, seed=seed
    )
    adapt(asked, folder, folder / "out", as_json=False)
    found = json.loads((folder / "out/adapted.json").read_text(encoding="utf-8"))
    start, whole = found["trade"][0], found["trade"][-1]
    changes = {
        name: next(line for line in found[of] if line["metric"] == metric and line["arm"] == "adapted")
        for name, of, metric in (
            ("own", "own", "retrieval.pair.mean_recall"),
            ("emoji", "elsewhere", "retrieval.emoji.mean_recall"),
        )
    }
    return {
        "seed": seed, "way": found["way"], "steps": found["steps"], "alpha": found["alpha"],
        **{name: {key: round(line[key], 4) for key in ("value", "difference", "low", "high")} for name, line in changes.items()},
        "all_the_way": {"val": round(whole["val"] - start["val"], 4), "emoji": round(whole["emoji"] - start["emoji"], 4)},
        "wall_s": round(time.perf_counter() - began[0], 1), "cpu_s": round(time.process_time() - began[1], 1),
    }  # fmt: skip


if __name__ == "__main__":
    main()
