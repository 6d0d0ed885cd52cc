"""What the options of a race do to a small set: `python -m tests.benchmarks.adapt_options --seeds 0 1 2 --keep`.

The start is micro_clip, trained on drawn scenes. One's own are 75 painted shapes, and 75 others to be tested on, none of whose captions
was learnt from; elsewhere are 240 drawn scenes of `general`. Each arm tunes for as many steps, all the way (alpha 1), so that what an option does is not hidden by
the choice that a race makes afterwards. Numbers are mean recall, over both directions and k of 1, 5 and 10. Prints one JSON object as its last line; --keep writes it to
docs/benchmarks/adapt-options.json.
"""

import argparse
import copy
import json
import os
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from components.contracts.progress import silent
from components.data.ingest import ingest
from components.data.manifest import read_manifest
from components.data.selection import Pool, read_pool
from components.data.sources.catalogue import build_source
from components.evaluation.embedding import Embedder
from components.evaluation.retrieval import Retrieval
from components.finetuning.recall import General, Recalled
from components.finetuning.tune import tune
from components.recipes.trained import load_trained
from components.stages.elsewhere import found_of
from components.stages.heats import method_of
from components.stages.micro_clip import micro_clip
from components.stages.race_steps import batches_of
from components.stages.racing_ways import ways
from components.stages.recalled import general_pictures
from components.training.numbers import Scale
from infra.results import processor
from tests.benchmarks.environments import ROOT
from tests.benchmarks.loader import commit
from tests.own_pictures import paint
from tests.subjects import part_of

KEPT_AT = ROOT / "docs/benchmarks/adapt-options.json"
PICTURES, BATCH = 150, 32
ARMS: dict[str, dict[str, Any]] = {
    "off": {"augment": "off"}, "light": {}, "strong": {"augment": "strong"}, "recall 1": {"recall": 1.0}, "recall 3": {"recall": 3.0},
    "feature adapter": {"way": "feature adapter"},
}  # fmt: skip


def main() -> None:
    """Tune by each arm with each seed, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--start", type=Path, help="the folder of micro_clip; unless given it is trained where it is not there"
    )
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT_AT.relative_to(ROOT)}")
    given = parser.parse_args()
    start = load_trained(given.start or micro_clip(ROOT))
    with tempfile.TemporaryDirectory() as scratch:
        runs = [
            {"seed": seed, **run}
            for seed in given.seeds
            for run in of_seed(start, Path(scratch) / str(seed), seed, given.steps)
        ]
    said = {
        "bench": "adapt_options", "pictures": PICTURES, "steps": given.steps, "batch": BATCH, "runs": runs, "date": time.strftime("%Y-%m-%d"), "commit": commit(),
        "machine": f"{os.cpu_count()} cores, {processor()}, no GPU",
        "command": f"python -m tests.benchmarks.adapt_options --seeds {' '.join(map(str, given.seeds))}",
    }  # fmt: skip
    if given.keep:
        KEPT_AT.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(said))


def of_seed(start: Embedder, folder: Path, seed: int, steps: int) -> list[dict[str, Any]]:
    """Return what each arm comes to, the start first."""
    folder.mkdir()
    whole = painted(folder / "mine", seed)
    learnt, tested = part_of(whole, range(PICTURES // 2)), part_of(whole, range(PICTURES // 2, PICTURES))
    (folder / "general").mkdir()
    ingest(build_source({"name": "scenes", "pictures": 240}), folder / "general", seed=0, progress=silent)
    general = read_pool(read_manifest(folder / "general/manifest.parquet"), folder / "general")
    recalled = general_pictures(build_source({"name": "scenes", "pictures": 240}), folder, silent)
    held = General.of(start, recalled, silent)
    found = [{"arm": "start", **numbers(start, tested, general)}]
    for arm, options in ARMS.items():
        began = time.process_time()
        own = Embedder(copy.deepcopy(start.model), start.vocabulary, start.preprocess)
        torch.manual_seed(seed)
        batches = batches_of(own, learnt, BATCH, seed, silent, options.get("augment", "light"))
        method = method_of(own.model)
        if weight := options.get("recall"):
            method = Recalled(method, held, weight=weight, rows=BATCH, seed=seed)
        scale = Scale(batch=BATCH, steps=steps, pixels=own.preprocess.size, watch_every=steps, checkpoint_every=steps)
        (folder / arm).mkdir()
        strategy = ways()[options.get("way", "whole")]
        tune(
            method, strategy, batches, scale, seed=seed, folder=folder / arm, progress=silent, log=lambda step, values: None,
            watch=lambda model: {"nothing": 0.0},
        )  # fmt: skip
        own.model.eval()
        found.append({"arm": arm, **numbers(own, tested, general), "cpu_s": round(time.process_time() - began, 1)})
        print(seed, found[-1], flush=True)
    return found


def numbers(embedder: Embedder, tested: Pool, general: Pool) -> dict[str, float]:
    """Return mean recall on one's own and on general pictures."""
    return {
        name: round(next(one.value for one in found_of(embedder, name, pool, Retrieval(), 0, silent).metrics if one.name.endswith("mean_recall")), 4)
        for name, pool in (("own", tested), ("general", general))
    }  # fmt: skip


def painted(folder: Path, seed: int) -> Pool:
    """Return painted shapes in an order of the seed, each with a caption that no other has."""
    said = paint(folder, PICTURES, side=72)
    names = sorted(said)
    random.Random(seed).shuffle(names)
    return Pool(
        keys=tuple(names), pictures=tuple((folder / name).read_bytes() for name in names), captions=tuple((said[name][0],) for name in names),
        concepts=tuple(said[name][0] for name in names), sources=("",) * len(names),
    )  # fmt: skip


if __name__ == "__main__":
    main()
