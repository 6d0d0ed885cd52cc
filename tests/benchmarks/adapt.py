"""What adapting gains on pictures of one's own, and loses elsewhere: `python -m tests.benchmarks.adapt --workspace . --seeds 0 1 2 --keep`.

The start is the model of a workspace in which the recipe `clip` was run on the emoji of two designers; one's own are 450 painted shapes in ten colours at five places,
or with `--mine designer` 1,000 emoji of the third designer, neither of which it has ever seen; elsewhere are the emoji of `pair`. Beside it stand what tuning alone does: the
way that won, all the way (alpha 1), and with `--plain` the whole tuned all the way with as much time, as most do it.
Prints one JSON object as its last line; --keep writes it to docs/benchmarks/adapt.json, or adapt-designer.json.
"""

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
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

KEPT_AT = {
    name: ROOT / f"docs/benchmarks/adapt{suffix}.json" for name, suffix in (("shapes", ""), ("designer", "-designer"))
}
PICTURES = {"shapes": 450, "designer": 1_000}


def main() -> None:
    """Adapt with each seed, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, default=ROOT)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--budget-s", type=float, default=240.0)
    parser.add_argument("--mine", choices=sorted(PICTURES), default="shapes")
    parser.add_argument("--plain", action="store_true", help="tune the whole too, all the way")
    parser.add_argument("--keep", action="store_true", help="write docs/benchmarks/adapt….json")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        runs = [adapted(given, Path(scratch) / str(seed), seed) for seed in given.seeds]
    said = {
        "bench": "adapt", "mine": given.mine, "pictures": PICTURES[given.mine], "budget_s": given.budget_s, "runs": runs, "date": time.strftime("%Y-%m-%d"), "commit": commit(),
        "machine": f"{os.cpu_count()} cores, {processor()}, no GPU",
        "command": f"python -m tests.benchmarks.adapt{'' if given.mine == 'shapes' else ' --mine ' + given.mine}{' --plain' if given.plain else ''} "
        f"--budget-s {given.budget_s:g} --seeds {' '.join(map(str, given.seeds))}",
    }  # fmt: skip
    if given.keep:
        KEPT_AT[given.mine].write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(said))


def adapted(given: argparse.Namespace, folder: Path, seed: int) -> dict[str, Any]:
    """Return what came of one seed."""
    folder.mkdir()
    workspace = given.workspace.resolve()
    write_set(
        folder / "emoji", [{"png": data, "txt": "\n".join(texts).encode()} for data, texts in shown(workspace, "pair")]
    )
    if given.mine == "shapes":
        write_table(folder / "captions.csv", paint(folder / "mine", PICTURES["shapes"], side=72))
        (folder / "captions.csv").rename(folder / "mine/captions.csv")
    else:
        write_third(workspace, folder / "mine", seed)
    began = time.perf_counter(), time.process_time()
    asked = Asked(
        data="mine",
        start=workspace / "runs/clip/finetune",
        sets=[folder / "emoji"],
        budget_s=given.budget_s,
        seed=seed,
        ask="captions",
    )
    adapt(asked, folder, folder / "out", as_json=False)
    took = {"wall_s": round(time.perf_counter() - began[0], 1), "cpu_s": round(time.process_time() - began[1], 1)}
    found = {"seed": seed, **came_of(folder / "out"), **took}
    if given.plain:  # all that the budget has room for, kept whatever it loses
        adapt(replace(asked, ways=("whole",), most_lost=1.0), folder, folder / "plain", as_json=False)
        found["plain"] = came_of(folder / "plain")
    return found


def shown(workspace: Path, split: str) -> Iterator[tuple[bytes, tuple[str, ...]]]:
    """Yield pictures and captions of a pool."""
    pool = read_pool(read_manifest(workspace / f"data/evaluation/{split}/manifest.parquet"), workspace / "data/raw")
    yield from zip(pool.pictures, pool.captions, strict=True)


def write_third(workspace: Path, folder: Path, seed: int) -> None:
    """Write 1,000 emoji of the designer who was held out, drawn by the seed, each with its name beside it."""
    folder.mkdir()
    pictures = [*shown(workspace, "designer"), *shown(workspace, "both")]
    for at in random.Random(seed).sample(range(len(pictures)), PICTURES["designer"]):
        data, texts = pictures[at]
        (folder / f"{at:05d}.png").write_bytes(data)
        (folder / f"{at:05d}.txt").write_text(texts[0], encoding="utf-8")


def came_of(folder: Path) -> dict[str, Any]:
    """Return what a folder of `diptych adapt` says it came to."""
    found = json.loads((folder / "adapted.json").read_text(encoding="utf-8"))
    start, whole = found["trade"][0], found["trade"][-1]
    changes = {
        name: next(line for line in found[of] if line["metric"] == metric and line["arm"] == "adapted")
        for name, of, metric in (
            ("own", "own", "retrieval.pair.mean_recall"),
            ("emoji", "elsewhere", "retrieval.emoji.mean_recall"),
        )
    }
    return {
        "way": found["way"], "steps": found["steps"], "alpha": found["alpha"],
        **{name: {key: round(line[key], 4) for key in ("value", "difference", "low", "high")} for name, line in changes.items()},
        "all_the_way": {"val": round(whole["val"] - start["val"], 4), "emoji": round(whole["emoji"] - start["emoji"], 4)},
    }  # fmt: skip


if __name__ == "__main__":
    main()
