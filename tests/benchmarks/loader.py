"""Loading beside open_clip and litdata: from JPEGs in tars to float batches, how many a CPU-second, epoch by epoch.

    python -m tests.benchmarks.loader --pictures 640 --runs 3 [--keep]
    python -m tests.benchmarks.loader --scaling --runs 3        # ten times the shards alone, put into what was kept

All sides read the same photographs (tests/benchmarks/photographs.py), make batches in their own process on one core, and take
turns. What each writes once beforehand (our ingest, litdata's optimize) is told and not timed. Ways: `plain` makes the same of a
picture on every side, short side resized, centre cropped; `train` is what each trains on; `device` is ours with a GPU, where
views are not made here, beside the peers' `train`. Prints one JSON object as its last line; --keep writes it to docs/benchmarks,
from which tests/benchmarks/loader_page.py renders the table in docs/loading.md.
"""

import argparse
import io
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
from PIL import Image

from components.data.ingest import ingest
from components.data.sources.webdataset import WebDatasetSource
from components.data.transforms.preprocess import Preprocess, to_float
from infra.results import processor
from tests.benchmarks.environments import PEERS, ROOT, python_of
from tests.benchmarks.peers.spent import cpu_s
from tests.benchmarks.photographs import drawn, write_tars

PIXELS, BATCH = 224, 16
SCALED = 6400  # pictures, beside a tenth of them, which take long enough that what a start costs does not count
SIZES = {"500x375": (500, 375), "640x480": (640, 480), "1024x768": (1024, 768)}
"""Photographs as ImageNet has them, as COCO does, and as a camera's small ones."""
SHARES = {"500x375": 1.0, "640x480": 0.625, "1024x768": 0.25}
"""How many there are of each beside the smallest, so that all have about as many pixels."""
KEPT_AT = ROOT / "docs/benchmarks/loader.json"
PEER_NAMES = ("open_clip", "litdata")
PEER_WAY = {"plain": "val", "train": "train", "device": "train"}
CASES = (("plain", "500x375"), ("plain", "640x480"), ("plain", "1024x768"), ("train", "500x375"), ("device", "500x375"))
Run = dict[str, Any]


def main() -> None:
    """Draw, take turns, scale, compare pixels, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=640, help="of the smaller size; a multiple of 640 (640)")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--scaling", action="store_true", help="measure this alone, and put it beside what was kept")
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT_AT.relative_to(ROOT)}")
    given = parser.parse_args()
    if given.scaling:
        kept = json.loads(KEPT_AT.read_text(encoding="utf-8")) | {"scaling": scaling(given.runs)}
        KEPT_AT.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
        print(json.dumps(kept["scaling"]))
        return
    for peer in PEER_NAMES:
        python_of(peer)
    counts = {size: round(given.pictures * share) for size, share in SHARES.items()}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        tars = {size: write_tars(work / f"tars-{size}", counts[size], SIZES[size]) for size in SIZES}
        before = cpu_s()
        raws = {size: snapshot(tars[size], work / f"raw-{size}") for size in SIZES}
        prepared = {"ours": cpu_s() - before}
        turns: dict[str, list[Run]] = defaultdict(list)
        for turn in range(given.runs):
            for side, way, size in sides():
                name = f"{side} {way} {size}"
                cache = work / f"cache-{turn}-{name}"
                turns[name].append(side_of(side, way, tars[size], raws[size], cache, counts[size]))
                print(f"{name}: {rate(turns[name][-1]['epochs'][0]):.0f} a CPU-second", file=sys.stderr)
        prepared["litdata"] = statistics.median(one["prepared_cpu_s"] for one in turns["litdata plain 500x375"])
    said = compared(turns) | {
        "scaling": scaling(given.runs), "pixels_differ": pixels_differ(), "prepared_cpu_s": {name: round(s, 1) for name, s in prepared.items()},
        "pictures": counts, "pixels": PIXELS, "batch": BATCH, "runs": given.runs,
        "machine": f"{os.cpu_count()} cores, {processor()}, shared with other work, no GPU", "date": time.strftime("%Y-%m-%d"),
        "command": f"python -m tests.benchmarks.loader --pictures {given.pictures} --runs {given.runs}", "commit": commit(),
    }  # fmt: skip
    if given.keep:
        KEPT_AT.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(said))


def sides() -> list[tuple[str, str, str]]:
    """Return side, way and size of every turn; a peer's `train` is compared with two ways of ours."""
    ours = [("ours", way, size) for way, size in CASES]
    return ours + [(peer, way, size) for peer in PEER_NAMES for way, size in CASES if way != "device"]


def scaling(runs: int) -> dict[str, Any]:
    """Return what ten times the shards cost, and by which pictures that was measured, at which commit."""
    with tempfile.TemporaryDirectory() as folder:
        ten, one = (several(Path(folder), count, runs) for count in (SCALED, SCALED // 10))
    return scaled(ten, one) | {
        "pictures": SCALED, "commit": commit(), "command": f"python -m tests.benchmarks.loader --scaling --runs {runs}",
    }  # fmt: skip


def several(work: Path, count: int, runs: int) -> list[Run]:
    """Load so many pictures of the smaller size, several times."""
    tars = write_tars(work / f"tars-{count}", count, SIZES["500x375"])
    raw = snapshot(tars, work / f"raw-{count}")
    return [side_of("ours", "plain", tars, raw, work / f"cache-{count}-{turn}", count) for turn in range(runs)]


def snapshot(tars: Path, raw: Path) -> Path:
    """Ingest the tars into small shards, so that ten times the pictures are ten times the shards."""
    ingest(WebDatasetSource(str(tars), languages=["en"], licence="BSD-3-Clause"), raw, seed=0, shard_bytes=4 * 2**20)
    return raw


def side_of(side: str, way: str, tars: Path, raw: Path, cache: Path, count: int) -> Run:
    """Run one side in its own process and environment, and return what it says."""
    if side == "ours":
        command = [sys.executable, "-m", "tests.benchmarks.our_loader", raw, cache, PIXELS, BATCH, way]
    else:
        command = [python_of(side), PEERS / f"{side}_side.py", tars, count, PIXELS, BATCH, PEER_WAY[way]]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
    ran = subprocess.run([*map(str, command)], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RuntimeError(f"{side} {way} failed, so there is nothing to compare:\n{ran.stderr}")
    return json.loads(ran.stdout.splitlines()[-1])


def rate(epoch: dict[str, float], by: str = "cpu_s") -> float:
    """Return samples a second."""
    return epoch["samples"] / epoch[by]


def compared(turns: dict[str, list[Run]]) -> dict[str, Any]:
    """Return the medians of every side, way and size, and how many times the peer's ours are in each epoch."""
    seen: dict[str, dict[str, dict[str, float]]] = {}
    for name, runs in turns.items():
        epochs = {f"epoch_{number + 1}": [run["epochs"][number] for run in runs] for number in (0, 1)}
        if "again" in runs[0]:
            epochs["again"] = [run["again"] for run in runs]
        seen[name] = {which: _medians(each) for which, each in epochs.items()}
    ratios = {
        f"{way} {size} beside {peer}": {
            which: round(seen[f"ours {way} {size}"][which]["samples_per_cpu_s"] / its["samples_per_cpu_s"], 2)
            for which, its in seen[f"{peer} {'plain' if way == 'plain' else 'train'} {size}"].items()
        }
        for way, size in CASES for peer in PEER_NAMES
    }  # fmt: skip
    versions = {name.split()[0]: runs[0]["versions"] for name, runs in turns.items()}
    ours, peer = (seen[f"{side} plain 500x375"]["epoch_1"]["samples_per_cpu_s"] for side in ("ours", "open_clip"))
    return {
        "bench": "loader", "ratio": ratios["plain 500x375 beside open_clip"]["epoch_1"], "ours": ours, "peer": peer,
        "peer_version": "open_clip {open_clip_torch}, webdataset {webdataset}".format(**versions["open_clip"]),
        "unit": "samples a CPU-second, epoch 1, plain, 500x375", "ratios": ratios, "sides": seen, "versions": versions,
    }  # fmt: skip


def _medians(each: list[dict[str, float]]) -> dict[str, float]:
    rates = [rate(one) for one in each]
    return {
        "samples_per_cpu_s": round(statistics.median(rates), 1), "lowest": round(min(rates), 1), "highest": round(max(rates), 1),
        "samples_per_s": round(statistics.median(rate(one, "wall_s") for one in each), 1),
        "private_mb": round(max(one["private_mb"] for one in each)),
    }  # fmt: skip


def scaled(whole: list[Run], tenth: list[Run]) -> dict[str, float]:
    """Return what ten times the shards cost of time and of private memory, in the epoch that decodes."""
    cpu = [statistics.median(run["epochs"][0]["cpu_s"] for run in runs) for runs in (whole, tenth)]
    private = [max(run["epochs"][0]["private_mb"] for run in runs) for runs in (whole, tenth)]
    samples = [runs[0]["epochs"][0]["samples"] for runs in (whole, tenth)]
    return {
        "samples": round(samples[0] / samples[1], 2), "cpu_s": round(cpu[0] / cpu[1], 2), "private_mb": round(private[0] / private[1], 2),
    }  # fmt: skip


def pixels_differ(count: int = 20) -> dict[str, float]:
    """Return how far our pixels are from open_clip's for evaluation, of 255, on average."""
    from open_clip.transform import image_transform  # of the tests' own environment, the same version

    theirs = image_transform(PIXELS, is_train=False, mean=(0, 0, 0), std=(1, 1, 1))
    apart = {}
    for name, size in SIZES.items():
        pictures = list(drawn(count, size))
        opened = [Image.open(io.BytesIO(data)).convert("RGB") for data in pictures]
        wanted = np.stack([theirs(one).numpy() for one in opened])
        for way, reduced in (("as we do", True), ("decoded whole", False)):
            ours = np.stack([to_float(Preprocess(size=PIXELS, reduced=reduced)(data)) for data in pictures])
            apart[f"{name} {way}"] = round(255 * float(np.abs(ours - wanted).mean()), 2)
    return apart


def commit() -> str:
    """Return the commit that was measured."""
    return subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()


if __name__ == "__main__":
    main()
