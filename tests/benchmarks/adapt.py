"""What adapting gains on pictures of one's own, and loses elsewhere: `python -m tests.benchmarks.adapt --workspace . --seeds 0 1 2 --keep`.

The start is the model of a workspace in which the recipe `clip` was run on the emoji of two designers; one's own are 450 painted shapes in ten colours at five places,
or by `--mine` 1,000 emoji of the third designer (`designer`), 1,000 handwritten digits of scikit-learn (`digits`), or 450 painted stamps, each a lone shape that is to be named
(`stamps`), none of which it has ever seen; elsewhere are the emoji of `pair`. Beside it stands what tuning alone does: the way that won, all the way (alpha 1), and with
`--beside` the start, a linear probe and plain full tuning on the same splits with as much time (adapt_beside.py), the best of which adapted is held against.
Prints one JSON object as its last line; --keep writes it to docs/benchmarks/adapt.json, or adapt-designer.json and so on.
"""

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from components.contracts.progress import silent
from components.data.evaluation_set import read_set
from components.data.manifest import read_manifest
from components.data.selection import read_pool
from components.data.synthetic.scenes import ScenesSource
from components.evaluation.downstream.digits import Digits
from components.finetuning.labels.choice import choice_of
from flows.adapt import Asked, adapt, pools_of
from infra.results import processor
from tests.benchmarks.adapt_beside import Beside, against_best
from tests.benchmarks.environments import ROOT
from tests.benchmarks.loader import commit
from tests.own_pictures import paint, write_table
from tests.their_sets import write_set

PICTURES = {"shapes": 450, "designer": 1_000, "digits": 1_000, "stamps": 450}
LABELLED = ("digits", "stamps")  # whose captions are labels and no more
BATCH = 64


def main() -> None:
    """Adapt with each seed, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, default=ROOT)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--budget-s", type=float, default=240.0)
    parser.add_argument("--mine", choices=sorted(PICTURES), default="shapes")
    parser.add_argument("--beside", action="store_true", help="and what most would do, on the same splits")
    parser.add_argument("--keep", action="store_true", help="write docs/benchmarks/adapt….json")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        runs = [adapted(given, Path(scratch) / str(seed), seed) for seed in given.seeds]
    said = {
        "bench": "adapt", "mine": given.mine, "pictures": PICTURES[given.mine], "budget_s": given.budget_s, "runs": runs, "date": time.strftime("%Y-%m-%d"), "commit": commit(),
        "machine": f"{os.cpu_count()} cores, {processor()}, no GPU",
        "command": f"python -m tests.benchmarks.adapt{'' if given.mine == 'shapes' else ' --mine ' + given.mine}{' --beside' if given.beside else ''} "
        f"--budget-s {given.budget_s:g} --seeds {' '.join(map(str, given.seeds))}",
    }  # fmt: skip
    if given.beside:
        said["against_best"] = against_best(runs)
    if given.keep:
        name = "adapt" if given.mine == "shapes" else f"adapt-{given.mine}"
        (ROOT / f"docs/benchmarks/{name}.json").write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(said))


def adapted(given: argparse.Namespace, folder: Path, seed: int) -> dict[str, Any]:
    """Return what came of one seed."""
    folder.mkdir()
    workspace = given.workspace.resolve()
    write_set(
        folder / "emoji", [{"png": data, "txt": "\n".join(texts).encode()} for data, texts in shown(workspace, "pair")]
    )
    write_mine(given.mine, workspace, folder, seed)
    began = time.perf_counter(), time.process_time()
    asked = Asked(
        data="mine",
        start=workspace / "runs/clip/finetune",
        sets=[folder / "emoji"],
        budget_s=given.budget_s,
        seed=seed,
        batch=BATCH,
        ask="auto" if given.mine in LABELLED else "captions",
    )
    adapt(asked, folder, folder / "out", as_json=False)
    took = {"wall_s": round(time.perf_counter() - began[0], 1), "cpu_s": round(time.process_time() - began[1], 1)}
    found = {"seed": seed, **came_of(folder / "out"), **took}
    if given.beside:
        pools, _ = pools_of(asked, folder, folder / "out/.data", silent)
        beside = Beside(
            start=asked.start, pools=pools, choice=choice_of(pools, asked.ask), emoji=read_set(folder / "emoji"), budget_s=given.budget_s, batch=BATCH, seed=seed,
        )  # fmt: skip
        found |= {"adapted": first_of(folder / "out"), "beside": beside.run(folder / "beside")}
    return found


def write_mine(mine: str, workspace: Path, folder: Path, seed: int) -> None:
    """Write the pictures that are one's own into `mine`, each with what is said of it."""
    if mine == "shapes":
        write_table(folder / "captions.csv", paint(folder / "mine", PICTURES["shapes"], side=72))
        (folder / "captions.csv").rename(folder / "mine/captions.csv")
    elif mine == "designer":
        write_third(workspace, folder / "mine", seed)
    else:
        write_labelled(digits() if mine == "digits" else stamps(seed), folder / "mine", seed, PICTURES[mine])


def digits() -> Iterator[tuple[bytes, str]]:
    """Yield each digit with what it is called."""
    read = Digits().read()
    for data, label in zip(read.pictures, read.labels, strict=True):
        yield data, f"a handwritten digit {label}"


def stamps(seed: int) -> Iterator[tuple[bytes, str]]:
    """Yield drawn pictures of one thing with its shape."""
    source = ScenesSource(pictures=2 * PICTURES["stamps"], scene={"things": [1, 1], "size_px": 64}, regions=False)
    for sample in source.samples(seed, silent):
        yield sample.media[0].data, f"a {sample.labels['category']}"


def write_labelled(pictures: Iterable[tuple[bytes, str]], folder: Path, seed: int, count: int) -> None:
    """Write `count` of them, drawn by the seed."""
    folder.mkdir()
    for at, (data, text) in enumerate(random.Random(seed).sample(list(pictures), count)):
        (folder / f"{at:05d}.png").write_bytes(data)
        (folder / f"{at:05d}.txt").write_text(text, encoding="utf-8")


def first_of(folder: Path) -> dict[str, float]:
    """Return how often the adapted model's first answer is right, the number that is held against the others, and mean recall of the emoji."""
    found = json.loads((folder / "adapted.json").read_text(encoding="utf-8"))
    now = {line["metric"]: line["value"] for line in (*found["own"], *found["elsewhere"]) if line["arm"] == "adapted"}
    labels = found["metric"] == "zero_shot.pair.class.top1"
    both = [now.get(f"retrieval.pair.{way}.recall_at_1") for way in ("image_to_text", "text_to_image")]
    own = now[found["metric"]] if labels else sum(both) / 2
    return {"own": own, "emoji": now["retrieval.emoji.mean_recall"]}


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
            ("own", "own", found["metric"]),
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
