"""What adapting gains on pictures of one's own, and loses elsewhere: `python -m tests.benchmarks.adapt --workspace . --seeds 0 1 2 --keep`.

The start is the model of a workspace in which the recipe `clip` was run on the emoji of two designers; one's own are 450 painted shapes, each of a kind of its own (of ten colours,
three sizes, five places, four papers), or by `--mine` 1,000 emoji of the third designer (`designer`), 1,000 handwritten digits of scikit-learn (`digits`), 450 painted stamps, each a
lone shape that is to be named (`stamps`), or 500 stamps of Tux Paint (`tuxpaint`, --stamps FOLDER: where a package of them was laid out, as by
`apt-get download tuxpaint-stamps-default` and `dpkg-deb -x`), each with the sentence that is said of it there; none of which it has ever seen. The race is bound by half of the emoji of `val` and `concept`. Numbers are of pictures that nothing has learnt from or
chosen by: those that the draw left of one's own, and the emoji of `pair`. Beside it stands what tuning alone does: the way that won, all the way (alpha 1), and with `--beside` the
start, a linear probe and plain full tuning on the same splits with as much time (adapt_beside.py), the best of which adapted is held against. With `--replay 0.5` that
share of a step's pairs are emoji that the start was trained on; with `--usual` nothing is said of that, of steps and of ways, so that what `diptych adapt --to` does by itself is measured.
Prints one JSON object as its last line; --keep writes it to docs/benchmarks/adapt.json, or adapt-designer.json, adapt-digits-100.json and so on.
"""

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from components.contracts.progress import silent
from components.data.manifest import read_manifest
from components.data.selection import Pool, of_split, read_pool
from components.data.synthetic.scenes import ScenesSource
from components.evaluation.downstream.digits import Digits
from components.evaluation.study import study
from components.finetuning.labels.choice import choice_of
from components.finetuning.labels.way import LabelVectors
from components.serving.labels import Labels
from components.stages.adapt import kept_of
from flows.adapt import Asked, adapt
from flows.adapt_pools import pools_of
from infra.results import processor
from tests.benchmarks.adapt_beside import Beside, against_best, embedder_of
from tests.benchmarks.environments import ROOT
from tests.benchmarks.loader import commit
from tests.own_pictures import KINDS, paint_kinds
from tests.their_sets import write_set

PICTURES = {"shapes": 450, "designer": 1_000, "digits": 1_000, "stamps": 450, "tuxpaint": 500}
LABELLED = ("digits", "stamps")  # whose captions are labels and no more
BOUND = (
    "val",
    "concept",
)  # emoji that bound a race, half of them: pictures of known things, and things that were never seen
BATCH = 64


def main() -> None:
    """Adapt with each seed, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, default=ROOT)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--budget-s", type=float, default=240.0)
    parser.add_argument("--mine", choices=sorted(PICTURES), default="shapes")
    parser.add_argument(
        "--pictures", type=int, default=0, help="of one's own, the tested ones not counted (those that stand above)"
    )
    parser.add_argument("--stamps", type=Path, help="a folder with those of Tux Paint, for --mine tuxpaint")
    parser.add_argument("--replay", type=float, default=0.0, help="share of a step that are emoji of the start")
    parser.add_argument("--usual", action="store_true", help="say nothing of replay, of what a step has and of ways")
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--ways", nargs="+", default=[], help="that race (the usual ones)")
    parser.add_argument("--beside", action="store_true", help="and what most would do, on the same splits")
    parser.add_argument("--keep", action="store_true", help="write docs/benchmarks/adapt….json")
    given = parser.parse_args()
    if given.usual and (given.replay or given.ways or given.batch != BATCH):
        parser.error("--usual says nothing of --replay, --ways and --batch")
    if (given.mine == "tuxpaint") != (given.stamps is not None):
        parser.error("--mine tuxpaint takes --stamps FOLDER, and nothing else does")
    with tempfile.TemporaryDirectory() as scratch:
        runs = [adapted(given, Path(scratch) / str(seed), seed) for seed in given.seeds]
    said = {
        "bench": "adapt", "mine": given.mine, "replay": runs[0]["replay"], "batch": runs[0]["batch"], "pictures": given.pictures or PICTURES[given.mine], "tested": runs[0]["tested"], "budget_s": given.budget_s, "runs": runs, "date": time.strftime("%Y-%m-%d"), "commit": commit(),
        "machine": f"{os.cpu_count()} cores, {processor()}, no GPU",
        "command": f"python -m tests.benchmarks.adapt{'' if given.mine == 'shapes' else ' --mine ' + given.mine}{' --beside' if given.beside else ''}{_said(given)} "
        f"--budget-s {given.budget_s:g} --seeds {' '.join(map(str, given.seeds))}",
    }  # fmt: skip
    if given.beside:
        said["against_best"] = against_best(runs)
    if given.keep:
        name = "-".join(
            [
                "adapt",
                *([given.mine] if given.mine != "shapes" else []),
                *([str(given.pictures)] if given.pictures else []),
            ]
        )
        (ROOT / f"docs/benchmarks/{name}.json").write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(said))


def _said(given: argparse.Namespace) -> str:
    asked = (
        ("pictures", str(given.pictures), "0"),
        ("replay", f"{given.replay:g}", "0"),
        ("batch", str(given.batch), str(BATCH)),
        ("ways", " ".join(given.ways), ""),
    )
    stamps = " --stamps FOLDER" if given.stamps else ""
    return (
        stamps
        + (" --usual" if given.usual else "")
        + "".join(f" --{name} {value}" for name, value, usual in asked if value != usual)
    )


def adapted(given: argparse.Namespace, folder: Path, seed: int) -> dict[str, Any]:
    """Return what came of one seed."""
    folder.mkdir()
    workspace = given.workspace.resolve()
    bound = [
        {"png": data, "txt": "\n".join(texts).encode()} for pool in BOUND for data, texts in shown(workspace, pool)
    ]
    write_set(folder / "emoji", bound)
    if given.replay and not given.usual:
        write_pairs(shown(workspace, "train"), folder / "general")
    tested = write_mine(given.mine, workspace, folder, seed, given.pictures or PICTURES[given.mine], given.stamps)
    began = time.perf_counter(), time.process_time()
    asked = Asked(
        data="mine",
        start=workspace / "runs/clip/finetune",
        sets=[folder / "emoji"],
        budget_s=given.budget_s,
        seed=seed,
        batch=None if given.usual else given.batch,
        replay=None if given.usual else given.replay,
        recalled="general" if given.replay and not given.usual else "",
        ways=() if given.usual else [way.replace("-", " ") for way in given.ways],
        ask="auto" if given.mine in LABELLED else "captions",
    )
    adapt(asked, folder, folder / "out", as_json=False)
    took = {"wall_s": round(time.perf_counter() - began[0], 1), "cpu_s": round(time.process_time() - began[1], 1)}
    pools, _ = pools_of(asked, folder, folder / "out/.data", silent)
    said = json.loads((folder / "out/adapted.json").read_text(encoding="utf-8"))
    beside = Beside(
        start=asked.start, pools=pools, tested=tested, choice=choice_of(pools, asked.ask), emoji=pool_of(shown(workspace, "pair")),
        budget_s=given.budget_s, batches=tuple({BATCH, said["batch"]}), learnt=len(pools["train"]) + said["general"], seed=seed,
    )  # fmt: skip
    of_general = said.get("recalled", {"replay": 0.0})["replay"]
    found = {
        "seed": seed,
        "tested": len(tested),
        "replay": of_general,
        "batch": said["batch"],
        **came_of(folder / "out", beside),
        **took,
    }
    if given.beside:
        found["beside"] = beside.run(folder / "beside")
    return found


def write_mine(mine: str, workspace: Path, folder: Path, seed: int, count: int, stamps_of: Path | None = None) -> Pool:
    """Write so many pictures that are one's own into `mine`, each with what is said of it; return those that are left, to test on."""
    if mine == "shapes":
        drawn = random.Random(seed).sample(range(len(KINDS)), 2 * PICTURES[mine])
        kinds = paint_kinds(folder / "painted", drawn)
        all_of = [((folder / "painted" / name).read_bytes(), text) for name, text in kinds.items()]
    elif mine == "designer":
        all_of = third(workspace)
    elif mine == "tuxpaint":
        assert stamps_of is not None, "where they lie is not known"
        all_of = tuxpaint(stamps_of)
    else:
        all_of = list(digits() if mine == "digits" else stamps(seed))
    if len(all_of) <= count:
        raise SystemExit(f"{len(all_of)} pictures are too few: {count} are one's own, and the others are tested on.")
    return write_drawn(all_of, folder / "mine", seed, count)


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


def tuxpaint(folder: Path) -> list[tuple[bytes, str]]:
    """Return each stamp of Tux Paint that is a PNG, with the first line of what is said of it, in English; those without words are left out."""
    found = []
    for path in sorted(folder.rglob("*.png")):
        said = path.with_suffix(".txt")
        text = said.read_text(encoding="utf-8").partition("\n")[0].strip() if said.is_file() else ""
        if text:
            found.append((path.read_bytes(), text))
    return found


def third(workspace: Path) -> list[tuple[bytes, str]]:
    """Return all emoji of the designer who was held out, each with its name."""
    return [(data, texts[0]) for split in ("designer", "both") for data, texts in shown(workspace, split)]


def write_drawn(pictures: Sequence[tuple[bytes, str]], folder: Path, seed: int, count: int) -> Pool:
    """Write `count` of them, drawn by the seed, and return the others."""
    drawn = random.Random(seed).sample(range(len(pictures)), count)
    write_pairs(((pictures[at][0], (pictures[at][1],)) for at in drawn), folder)
    left = set(range(len(pictures))).difference(drawn)
    return pool_of((pictures[at][0], (pictures[at][1],)) for at in sorted(left))


def write_pairs(pictures: Iterable[tuple[bytes, Sequence[str]]], folder: Path) -> None:
    """Write pictures, each with the first of what is said of it."""
    folder.mkdir()
    for place, (data, texts) in enumerate(pictures):
        (folder / f"{place:05d}.png").write_bytes(data)
        (folder / f"{place:05d}.txt").write_text(texts[0], encoding="utf-8")


def pool_of(pictures: Iterable[tuple[bytes, tuple[str, ...]]]) -> Pool:
    """Return pictures with their captions; those of which the same is said are of one thing."""
    data, said = zip(*pictures, strict=True)
    keys = tuple(f"{place:05d}" for place in range(len(data)))
    return Pool(
        keys=keys, pictures=data, captions=said, concepts=tuple(map("\n".join, said)), sources=("",) * len(keys)
    )


def shown(workspace: Path, split: str) -> Iterator[tuple[bytes, tuple[str, ...]]]:
    """Yield pictures and captions of a pool, or of what the recipe learns from or chooses by."""
    place = "curated/clip" if split in ("train", "val") else f"evaluation/{split}"
    manifest = of_split(read_manifest(workspace / f"data/{place}/manifest.parquet"), split)
    pool = read_pool(manifest, workspace / "data/raw")
    yield from zip(pool.pictures, pool.captions, strict=True)


def came_of(folder: Path, beside: Beside) -> dict[str, Any]:
    """Return what a folder of `diptych adapt` came to, against its start, on the pictures that nothing was chosen by."""
    said = json.loads((folder / "adapted.json").read_text(encoding="utf-8"))
    vectors = None
    if beside.choice:
        of = Labels.read(folder)
        vectors = LabelVectors(vectors=of.vectors, counts=of.counts, sharpness=of.sharpness)
    models = {"start": (embedder_of(beside.start), None), "adapted": (embedder_of(folder / "model"), vectors)}
    arms = {name: [beside.found(model, by), beside.found_elsewhere(model)] for name, (model, by) in models.items()}
    metrics = {"own": said["metric"].replace(".pair.", ".own."), "emoji": "retrieval.emoji.mean_recall"}
    lines = {
        line.metric: line
        for line in study(kept_of(arms), metrics=[*metrics.values()], seed=beside.seed)
        if line.arm == "adapted"
    }
    start, whole = said["trade"][0], said["trade"][-1]
    tuned, by = models["adapted"]
    return {
        "way": said["way"], "steps": said["steps"], "alpha": said["alpha"],
        **{name: {key: round(getattr(lines[metric], key), 4) for key in ("value", "difference", "low", "high")} for name, metric in metrics.items()},
        "all_the_way": {"val": round(whole["val"] - start["val"], 4), "emoji": round(whole["emoji"] - start["emoji"], 4)},
        "adapted": {"own": beside.own(tuned, by), "emoji": beside.elsewhere(tuned)},
    }  # fmt: skip


if __name__ == "__main__":
    main()
