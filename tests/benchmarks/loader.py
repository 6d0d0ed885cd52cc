"""Loading beside open_clip and litdata: from JPEGs in tars to float batches, how many a CPU-second, epoch by epoch.

    python -m tests.benchmarks.loader --pictures 2000 --runs 3 [--keep]

All sides read the same photographs (tests/benchmarks/photographs.py), make batches in their own process on one core, and take
turns. What each writes once beforehand (our ingest, litdata's optimize) is told and not timed. Ways: `plain` makes the same of a
picture on every side, short side resized, centre cropped; `train` is what each trains on; `device` is ours with a GPU, where
views are not made here, beside the peers' `train`. Prints one JSON object as its last line; --keep writes it to docs/benchmarks.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from components.data.ingest import ingest
from components.data.sources.webdataset import WebDatasetSource
from components.data.transforms.preprocess import Preprocess, to_float
from infra.results import processor
from tests.benchmarks.environments import PEERS, ROOT, python_of
from tests.benchmarks.peers.spent import cpu_s
from tests.benchmarks.photographs import SIZES, drawn, write_tars

PIXELS, BATCH = 224, 50
KEPT_AT = ROOT / "docs/benchmarks/loader.json"
SIDES = ("ours", "open_clip", "litdata")
TOLD = {"ours": ("plain", "train", "device"), "open_clip": ("plain", "train"), "litdata": ("plain", "train")}
PEER_WAY = {"plain": "val", "train": "train"}
Run = dict[str, Any]


def main() -> None:
    """Draw, take turns, scale, compare pixels, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--pictures", type=int, default=2000, help="how many; ten parts are scaled by, so a multiple of 500"
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT_AT.relative_to(ROOT)}")
    given = parser.parse_args()
    for peer in SIDES[1:]:
        python_of(peer)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        tars = write_tars(work / "tars", given.pictures)
        before = cpu_s()
        raw = snapshot(tars, work / "raw")
        prepared = {"ours": cpu_s() - before}
        turns: dict[str, list[Run]] = defaultdict(list)
        for turn in range(given.runs):
            for name in (f"{side}.{way}" for way in PEER_WAY | {"device": ""} for side in SIDES if way in TOLD[side]):
                turns[name].append(side_of(name, tars, raw, work / f"cache-{turn}-{name}", given.pictures))
                print(f"{name}: {rate(turns[name][-1]['epochs'][0]):.0f} a CPU-second", file=sys.stderr)
        prepared["litdata"] = statistics.median(one["prepared_cpu_s"] for one in turns["litdata.plain"])
        small = snapshot(write_tars(work / "tenth", given.pictures // 10), work / "raw-tenth")
        tenth = [
            side_of("ours.plain", tars, small, work / f"tenth-{turn}", given.pictures) for turn in range(given.runs)
        ]
        scaling = scaled(turns["ours.plain"], tenth)
    said = compared(turns) | {
        "scaling": scaling, "pixels_differ": pixels_differ(), "prepared_cpu_s": {name: round(s, 1) for name, s in prepared.items()},
        "pictures": given.pictures, "sizes": sorted(set(SIZES)), "pixels": PIXELS, "batch": BATCH, "runs": given.runs,
        "machine": f"{os.cpu_count()} cores, {processor()}, shared with other work, no GPU", "date": time.strftime("%Y-%m-%d"),
        "command": f"make bench BENCH=loader  # --pictures {given.pictures} --runs {given.runs}", "commit": commit(),
    }  # fmt: skip
    if given.keep:
        KEPT_AT.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(said))


def snapshot(tars: Path, raw: Path) -> Path:
    """Ingest the tars into small shards, so that ten times the pictures are ten times the shards."""
    ingest(WebDatasetSource(str(tars), languages=["en"], licence="BSD-3-Clause"), raw, seed=0, shard_bytes=4 * 2**20)
    return raw


def side_of(name: str, tars: Path, raw: Path, cache: Path, count: int) -> Run:
    """Run one side in its own process and environment, and return what it says."""
    side, _, way = name.partition(".")
    if side == "ours":
        command = [sys.executable, "-m", "tests.benchmarks.our_loader", raw, cache, PIXELS, BATCH, way]
    else:
        command = [python_of(side), PEERS / f"{side}_side.py", tars, count, PIXELS, BATCH, PEER_WAY[way]]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
    ran = subprocess.run([*map(str, command)], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RuntimeError(f"{name} failed, so there is nothing to compare:\n{ran.stderr}")
    return json.loads(ran.stdout.splitlines()[-1])


def rate(epoch: dict[str, float], by: str = "cpu_s") -> float:
    """Return samples a second."""
    return epoch["samples"] / epoch[by]


def compared(turns: dict[str, list[Run]]) -> dict[str, Any]:
    """Return the medians of every side and way, and how many times the peer's ours are in each epoch."""
    sides: dict[str, dict[str, Any]] = {}
    for name, runs in turns.items():
        epochs = {f"epoch_{number + 1}": [run["epochs"][number] for run in runs] for number in (0, 1)}
        if "again" in runs[0]:
            epochs["again"] = [run["again"] for run in runs]
        sides[name] = {
            which: {
                "samples_per_cpu_s": round(statistics.median(map(rate, each)), 1), "lowest": round(min(map(rate, each)), 1),
                "highest": round(max(map(rate, each)), 1),
                "samples_per_s": round(statistics.median(rate(one, "wall_s") for one in each), 1),
                "private_mb": round(max(one["private_mb"] for one in each)),
            }
            for which, each in epochs.items()
        }  # fmt: skip
    ratios = {
        f"{way} beside {peer}": {
            which: round(its["samples_per_cpu_s"] / sides[f"{peer}.{'plain' if way == 'plain' else 'train'}"][which]["samples_per_cpu_s"], 2)
            for which, its in sides[f"ours.{way}"].items() if which != "again"
        }
        for way in TOLD["ours"] for peer in SIDES[1:]
    }  # fmt: skip
    ours, peer = (sides[name]["epoch_1"]["samples_per_cpu_s"] for name in ("ours.plain", "open_clip.plain"))
    versions = {name.partition(".")[0]: runs[0]["versions"] for name, runs in turns.items()}
    return {
        "bench": "loader", "ratio": round(ours / peer, 2), "ours": ours, "peer": peer,
        "peer_version": "open_clip {open_clip_torch}, webdataset {webdataset}".format(**versions["open_clip"]),
        "unit": "samples a CPU-second, epoch 1", "ratios": ratios, "sides": sides, "versions": versions,
    }  # fmt: skip


def scaled(whole: list[Run], tenth: list[Run]) -> dict[str, float]:
    """Return what ten times the shards cost of time and of private memory, in the epoch that decodes."""
    cpu = [statistics.median(run["epochs"][0]["cpu_s"] for run in runs) for runs in (whole, tenth)]
    private = [max(run["epochs"][0]["private_mb"] for run in runs) for runs in (whole, tenth)]
    samples = [runs[0]["epochs"][0]["samples"] for runs in (whole, tenth)]
    return {
        "samples": round(samples[0] / samples[1], 2), "cpu_s": round(cpu[0] / cpu[1], 2), "private_mb": round(private[0] / private[1], 2),
    }  # fmt: skip


def pixels_differ(count: int = 40) -> dict[str, float]:
    """Return how far our pixels are from open_clip's for evaluation, of 255, the mean over pictures of each size."""
    import io

    from open_clip.transform import image_transform
    from PIL import Image

    theirs = image_transform(PIXELS, is_train=False, mean=(0, 0, 0), std=(1, 1, 1))
    apart = defaultdict[str, list[float]](list)
    for number, data in enumerate(drawn(count)):
        with Image.open(io.BytesIO(data)) as opened:
            wanted = theirs(opened.convert("RGB")).numpy()
        for way in (True, False):
            ours = to_float(Preprocess(size=PIXELS, reduced=way)(data))
            size = "x".join(map(str, SIZES[number % len(SIZES)]))
            apart[f"{size} {'as we do' if way else 'decoded whole'}"].append(255 * float(np.abs(ours - wanted).mean()))
    return {name: round(statistics.mean(values), 2) for name, values in sorted(apart.items())}


def commit() -> str:
    """Return the commit that was measured."""
    return subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()


if __name__ == "__main__":
    main()
