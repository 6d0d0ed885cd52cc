"""Deduplicate: a million rows by bytes, pixels, looks and captions; and planted near copies, beside imagededup and fastdup.

    python -m tests.benchmarks.dedup --rows 1000000 --originals 600

Rows, and what was found of their pictures, are drawn; copies are planted in each way, so precision and recall are known. A tenth of
the rows is measured too, by turns, each time in a process of its own; of three the middle one counts. Every tool of the second part
reads the same files with its defaults, in an environment and a process of its own; starting it counts. Prints one JSON object as its
last line.
"""

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from importlib.metadata import version
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from components.contracts.features import Feature, Features
from components.curation.ops.deduplicate import REASONS, Deduplicate
from components.validation.measure import columns, measure_picture
from infra.results import processor
from tests.benchmarks.data_check import timed
from tests.benchmarks.environments import python_of
from tests.benchmarks.near_pictures import plant, score
from tests.benchmarks.validate import drawn_captions

WAYS = ("bytes", "pixels", "looks", "captions")  # those that need no model
TURNS = 3
SHARE = 0.02  # of the rows that are copies, in each way
PEERS = {"imagededup": "imagededup_side.py", "fastdup": "fastdup_dedup_side.py"}


def main() -> None:
    """Run the part that is asked for, or all of them, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--originals", type=int, default=600)
    parser.add_argument("--tools", nargs="*", default=["diptych", *PEERS], choices=["diptych", *PEERS])
    parser.add_argument("--only-rows", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--only-folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.only_rows:
        print(json.dumps(million(asked.rows)))
    elif asked.only_folder:
        print(json.dumps({"version": version("diptych"), "removed": ours(asked.only_folder)}))
    else:
        print(json.dumps(everything(asked.rows, asked.originals, asked.tools)))


def everything(rows: int, originals: int, tools: list[str]) -> dict[str, Any]:
    """Return both parts."""
    counts = (max(1, rows // 10), rows)
    turns = [[_part("--only-rows", "--rows", str(count)) for count in counts] for _ in range(TURNS)]
    sizes = [sorted(one, key=itemgetter("cpu_s"))[TURNS // 2] for one in zip(*turns, strict=True)]
    with tempfile.TemporaryDirectory() as folder:
        truth = plant(Path(folder) / "heap", originals)
        looked = {tool: look(tool, Path(folder) / "heap", truth) for tool in tools}
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "bench": "dedup", "rows": {str(its["rows"]): its for its in sizes}, "cpu_ratio": round(sizes[1]["cpu_s"] / max(sizes[0]["cpu_s"], 0.01), 1),
        "pictures": len(truth), "tools": looked, "machine": f"{os.cpu_count()} cores, {processor()}",
        "commit": commit.stdout.strip(),
    }  # fmt: skip


def _part(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.benchmarks.dedup", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def million(count: int) -> dict[str, Any]:
    """Return what leaving copies out of that many rows takes, and how much of what was planted was found, in each way."""
    table, features, planted = drawn_rows(count)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, cpu = time.perf_counter(), time.process_time()
    left, report = Deduplicate(by=WAYS, best="size_bytes").apply(table, features, 0)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    went = ~np.isin(np.arange(count), np.asarray(left["number"]))
    should = planted >= 0
    return {
        "rows": count, "wall_s": round(wall, 2), "cpu_s": round(cpu, 2), "dropped": dict(report.dropped),
        "planted": {way: int((planted == at).sum()) for at, way in enumerate(WAYS)},
        "precision": round(float((went & should).sum() / max(1, went.sum())), 4), "recall": round(float((went & should).sum() / should.sum()), 4),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2), "drawing_gb": round(before_kb / 1e6, 2),
    }  # fmt: skip


def drawn_rows(count: int) -> tuple[pa.Table, Features, np.ndarray]:
    """Return rows, their prints, and of each row the place in WAYS of how it copies one before; -1 for an original.

    Originals are larger than copies, so that they are the ones that should stay. A copy that looks alike has one to three other bits; one
    that is said alike lacks a word, of about ten, or has one more.
    """
    draws, numbers = np.random.default_rng(0), np.arange(count)
    planted = np.where(
        numbers < count // 2,
        -1,
        draws.choice([-1, *range(len(WAYS))], count, p=[1 - SHARE * len(WAYS), *[SHARE] * len(WAYS)]),
    )
    of = np.where(
        planted >= 0, draws.integers(0, max(1, count // 2), count), numbers
    )  # a copy of the first half, in which none is one

    def copied(way: str) -> np.ndarray:
        return np.where(planted == WAYS.index(way), of, numbers)

    digests = {name: pa.array([f"{number:064x}" for number in copied(name)]) for name in ("bytes", "pixels")}
    hashes = draws.integers(0, 2**64, count, np.uint64)[copied("looks")]
    for _ in range(3):
        flipped = np.uint64(1) << draws.integers(0, 64, count).astype(np.uint64)
        hashes = np.where(planted == WAYS.index("looks"), hashes ^ flipped, hashes)
    colours = draws.random((count, 3), np.float32)[copied("looks")]
    captions = drawn_captions(draws, count).take(pa.array(copied("captions"))).to_pylist()
    for place in np.flatnonzero(planted == WAYS.index("captions")).tolist():
        captions[place] = nearly(captions[place], place)
    texts = pa.StructArray.from_arrays([pa.array(captions, pa.string())], ["text"])
    keys = pa.array([f"k{number:09d}" for number in numbers.tolist()])
    table = pa.table({
        "key": keys, "number": numbers, "sha256": digests["bytes"], "pixel_sha256": digests["pixels"],
        "size_bytes": pa.array(np.where(planted >= 0, 1000, 2000)), "texts": pa.ListArray.from_arrays(pa.array(np.arange(count + 1, dtype=np.int32)), texts),
    })  # fmt: skip
    colour = pa.FixedSizeListArray.from_arrays(pa.array(colours.ravel()), 3)
    prints = pa.table({"key": keys, "perceptual": pa.array(hashes, pa.uint64()), "colour": colour})
    return table, Features().plus(Feature(name="prints", model="drawn", table=prints)), planted


def nearly(caption: str, place: int) -> str:
    """Return a caption without its last word, or with one more."""
    return caption.rpartition(" ")[0] if place % 2 else f"{caption} too"


def look(tool: str, heap: Path, truth: dict[str, tuple[str, int]]) -> dict[str, Any]:
    """Return how well a tool did, and what it took."""
    command = (
        [sys.executable, "-m", "tests.benchmarks.dedup", "--only-folder", str(heap)]
        if tool == "diptych"
        else [str(python_of(tool)), str(Path(__file__).parent / "peers" / PEERS[tool]), str(heap)]
    )
    done, wall, cpu = timed(command)
    if done.returncode:
        raise RuntimeError(f"{tool} ended with an error:\n{done.stderr[-2000:]}")
    said = json.loads(done.stdout.splitlines()[-1])
    return {"version": said["version"], **score(said["removed"], truth), "wall_s": wall, "cpu_s": cpu}


def ours(folder: Path) -> list[str]:
    """Return which files Deduplicate leaves out, with its defaults."""
    names = sorted(path.name for path in folder.iterdir())
    data = [(folder / name).read_bytes() for name in names]
    measured = pa.Table.from_batches([columns([measure_picture(one) for one in data])])
    table = pa.table({
        "key": names, "sha256": [hashlib.sha256(one).hexdigest() for one in data], "pixel_sha256": measured["pixel_sha256"],
        "size_bytes": [len(one) for one in data],
    })  # fmt: skip
    prints = pa.table({"key": names, **{name: measured[name] for name in ("perceptual", "colour")}})
    left, _ = Deduplicate().apply(table, Features().plus(Feature(name="prints", model="measure", table=prints)), 0)
    return sorted(set(names) - set(left["key"].to_pylist()))


def table(said: Mapping[str, Any]) -> str:
    """Return what came of each tool as docs/curation.md prints it."""
    lines = ["| | precision | recall | CPU-seconds |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {tool} {its['version']} | {its['precision']:.3f} | {its['recall']:.3f} | {its['cpu_s']} |"
        for tool, its in said["tools"].items()
    ]
    return "\n".join(lines)


def captions_found(said: Mapping[str, Any]) -> str:
    """Return how many of the captions that are nearly the same were found among most rows, in percent."""
    most = max(said["rows"].values(), key=lambda its: its["rows"])
    return f"{most['dropped'][REASONS['captions']] / most['planted']['captions']:.1%}"


if __name__ == "__main__":
    main()
