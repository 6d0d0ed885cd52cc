"""How long pictures of a person's own take to come in, by how many processes look at them, and again from kept shards.

    python -m tests.benchmarks.ingest --pictures 5000

JPEGs of 640 x 480, drawn from a seed, with a table of captions; written once, then read by each run. CPU-seconds are those of
all processes. Prints one JSON object as its last line.
"""

import argparse
import csv
import json
import os
import platform
import resource
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from components.data.ingest import ingest
from components.data.kept import KeptShards
from components.data.sources.table import PairTable

SIDES = (640, 480)


def main() -> None:
    """Draw, ingest, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--processes", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--folder", type=Path, help="where to work; several times the pictures' size is needed")
    given = parser.parse_args()
    commit = _commit()  # before the runs: it may be another one after them
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        size_bytes = draw(folder / "own", given.pictures)
        runs = {f"{processes} processes": timed(folder, processes, str(processes)) for processes in given.processes}
        most = max(given.processes)
        runs["keeping shards"] = timed(folder, most, "keeping", keep=True)
        runs["from kept shards"] = timed(folder, most, "again", keep=True)
    digests = {run.pop("digest") for run in runs.values()}
    said = {
        "bench": "ingest", "pictures": given.pictures, "megabytes": round(size_bytes / 1e6, 1), "runs": runs,
        "same_digest": len(digests) == 1,
        "machine": f"{os.cpu_count()} cores, {platform.processor() or platform.machine()}", "commit": commit,
        "load": [round(load, 1) for load in (before, os.getloadavg()[0])], "nice": os.nice(0),
    }  # fmt: skip
    print(json.dumps(said))


def draw(folder: Path, count: int) -> int:
    """Write pictures and captions.csv, and return the pictures' bytes."""
    folder.mkdir(parents=True)
    draws, size_bytes = np.random.default_rng(0), 0
    with (folder / "captions.csv").open("w", newline="", encoding="utf-8") as opened:
        table = csv.writer(opened)
        table.writerow(["image", "caption"])
        for number in range(count):
            coarse = draws.integers(0, 256, (30, 40, 3), np.uint8)
            picture = Image.fromarray(coarse).resize(SIDES, Image.Resampling.BICUBIC)
            path = folder / f"{number:06d}.jpg"
            picture.save(path, quality=90)
            size_bytes += path.stat().st_size
            table.writerow([path.name, f"colours, number {number}"])
    return size_bytes


def timed(folder: Path, processes: int, name: str, keep: bool = False) -> dict[str, Any]:
    """Ingest into a folder of its own, and return seconds and digest; `keep` uses the shards of the last run that did."""
    kept = KeptShards(folder / "kept") if keep else None
    wall, cpu = time.perf_counter(), _cpu_s()
    came_in = ingest(PairTable(str(folder / "own")), folder / name, seed=0, processes=processes, kept=kept)
    wall, cpu = time.perf_counter() - wall, _cpu_s() - cpu
    return {
        "wall_s": round(wall, 1), "cpu_s": round(cpu, 1), "pictures_per_s": round(came_in["samples"] / wall),
        "shards_kept": kept.used if kept is not None else 0, "digest": came_in["digest"],
    }  # fmt: skip


def _commit() -> str:
    """Return the commit that we stand on, with a plus where files of git differ from it."""
    said = subprocess.run(["git", "describe", "--always", "--dirty=+"], capture_output=True, text=True, check=False)
    return said.stdout.strip()


def _cpu_s() -> float:
    """Return what we and our ended children have used."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in usage)


if __name__ == "__main__":
    main()
