"""`diptych data diff` beside DataChain's diff: two versions of the same rows, compared by key, and what it took.

    python -m tests.benchmarks.data_diff --rows 1000000

One row in a hundred is new, one is gone, and of the rest one in fifty has another caption; the second version is shuffled. Both
sides run in a process of their own, one after the other, and starting it counts. DataChain gets the columns that it can
compare as a flat table; ours gets manifests. Prints one JSON object as its last line.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.data.manifest import SCHEMA, write_manifest
from tests.benchmarks.environments import python_of

TRUTH = ("added", "removed", "changed", "same")
_THEIRS = {"A": "added", "D": "removed", "M": "changed", "S": "same"}  # after compared with before
_MEASURE = """
import json, resource, subprocess, sys, time
began = time.perf_counter()
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"rc": done.returncode, "out": done.stdout, "err": done.stderr[-2000:], "wall_s": time.perf_counter() - began,
                  "cpu_s": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss / 1e3}))
"""


def make(folder: Path, rows: int) -> dict[str, int]:
    """Write `before` and `after`, each as manifest.parquet and as flat.parquet; return what differs."""
    moved = rows // 100
    for name, first in (("before", 0), ("after", moved)):
        numbers = np.arange(rows) + first
        if first:
            np.random.default_rng(0).shuffle(numbers)
        keys = [f"k{number:09d}" for number in numbers]
        shas = [f"{number * 0x9E3779B97F4A7C15 % 2**256:064x}" for number in numbers.tolist()]
        captions = [f"picture {number}{', again' if first and number % 50 == 0 else ''}" for number in numbers]
        flat = pa.table(
            {"key": keys, "split": ["train"] * rows, "licence": ["CC0-1.0"] * rows, "sha256": shas, "caption": captions}
        )
        (folder / name).mkdir()
        pq.write_table(flat, folder / name / "flat.parquet")
        write_manifest(_manifest(flat), folder / name / "manifest.parquet")
    stayed = np.arange(moved, rows)
    changed = int((stayed % 50 == 0).sum())
    return {"added": moved, "removed": moved, "changed": changed, "same": rows - moved - changed}


def _manifest(flat: pa.Table) -> pa.Table:
    """Return the same rows with all that a manifest has."""
    rows = len(flat)
    texts = [[{"text": caption, "kind": "short", "lang": "en"}] for caption in flat["caption"].to_pylist()]
    labels = [{"concept": key, "category": None, "subcategory": None} for key in flat["key"].to_pylist()]
    table = flat.drop_columns(["caption"]).append_column("pixel_sha256", flat["sha256"])
    for name, value in (
        ("source", "own"),
        ("shard", "train/000000.tar"),
        ("size_bytes", 9),
        ("width", 8),
        ("height", 8),
    ):
        table = table.append_column(name, pa.repeat(pa.scalar(value), rows))
    for name, values in (("offset", range(rows)), ("texts", texts), ("labels", labels)):
        table = table.append_column(name, pa.array(values, SCHEMA.field(name).type))
    return table.select(SCHEMA.names).cast(SCHEMA)


def measured(command: list[str], folder: Path) -> dict[str, Any]:
    """Run a side in `folder`; return what it printed with its seconds and memory. RuntimeError where it failed."""
    quiet = {"DO_NOT_TRACK": "1", "ITERATIVE_DO_NOT_TRACK": "1", "DVC_NO_ANALYTICS": "1", "DATACHAIN_NO_ANALYTICS": "1"}
    here = os.environ | quiet | {"HOME": str(folder), "DATACHAIN_ROOT_DIR": str(folder), "OMP_NUM_THREADS": "1"}
    paths = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    if command[0] == sys.executable:
        here["PYTHONPATH"] = paths
    else:
        here.pop("PYTHONPATH", None)
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, *command], cwd=folder, env=here, capture_output=True, text=True, check=True
    )
    said: dict[str, Any] = json.loads(done.stdout)
    if said["rc"]:
        raise RuntimeError(f"{command[:3]} ended with an error:\n{said['err']}")
    return said


def ours(folder: Path) -> dict[str, Any]:
    """Return what `diptych data diff` found, and what it took."""
    said = measured(
        [sys.executable, "-m", "flows.cli", "data", "diff", str(folder / "before"), str(folder / "after"), "--json", "--out", "diff.parquet"],
        folder,
    )  # fmt: skip
    found = json.loads(said["out"].splitlines()[-1])
    return took(said, {name: found[name] for name in TRUTH})


def theirs(folder: Path) -> dict[str, Any]:
    """Return what DataChain found, and what it took."""
    side = Path(__file__).parent / "peers/datachain_side.py"
    files = [str(folder / name / "flat.parquet") for name in ("before", "after")]
    said = measured([str(python_of("datachain")), str(side), *files], folder)
    found = json.loads(said["out"].splitlines()[-1])
    return took(said, {_THEIRS[change]: count for change, count in found["found"].items()}) | {
        "version": found["version"]
    }


def took(said: Mapping[str, Any], found: Mapping[str, int]) -> dict[str, Any]:
    """Return the numbers of a side."""
    return {"found": dict(found), **{name: round(said[name], 2) for name in ("wall_s", "cpu_s", "peak_mb")}}


def main() -> None:
    """Make, let both compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--sides", nargs="+", choices=("ours", "datachain"), default=["ours", "datachain"])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        truth = make(Path(folder), asked.rows)
        sides = {name: {"ours": ours, "datachain": theirs}[name](Path(folder)) for name in asked.sides}
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    said = {
        "bench": "data_diff", "rows": asked.rows, "truth": truth, "sides": sides,
        "right": {name: its["found"] == truth for name, its in sides.items()},
        "ratio": round(sides["datachain"]["cpu_s"] / sides["ours"]["cpu_s"], 2) if len(sides) == 2 else None, "unit": "CPU-seconds",
        "machine": f"{os.cpu_count()} cores, {platform.processor() or platform.machine()}", "commit": commit.stdout.strip(),
    }  # fmt: skip
    print(json.dumps(said))


if __name__ == "__main__":
    main()
