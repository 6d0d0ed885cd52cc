"""`diptych lineage KEY` beside a plain scan by pyarrow: one picture among a million rows, in the workspace and in what a version was made from.

    python -m tests.benchmarks.lineage --rows 1000000 --keep

A snapshot of that many rows and a selection of nine tenths of it, under git and DVC, with one registered version. Both sides are processes of
their own, and starting them counts. The scan reads from the same four manifests the columns that it needs, and no registry: which
versions there are it is told. Prints one JSON object as its last line; --keep leaves it in docs/benchmarks/lineage.json.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa

from components.data.manifest import write_manifest
from tests.benchmarks.data_diff import _manifest, measured
from tests.flows.registered import version
from tests.flows.versioned import STAGES, commit, lists

KEPT = Path(__file__).parents[2] / "docs/benchmarks/lineage.json"
CALLED = {"ours": "`diptych lineage KEY --json`", "pyarrow": "a scan by pyarrow that is told which files"}
SCAN = """
import json, sys
import pyarrow.compute as pc
import pyarrow.parquet as pq
key, *manifests = sys.argv[1:]
sha = pixels = None
found = []
for path in manifests:
    rows = pq.read_table(path, columns=["key", "sha256", "pixel_sha256", "split"], partitioning=None)
    if sha is None:
        its = rows.filter(pc.equal(rows["key"], key))
        sha, pixels = its["sha256"][0], its["pixel_sha256"][0]
    mask = pc.or_(pc.or_(pc.equal(rows["key"], key), pc.equal(rows["sha256"], sha)), pc.equal(rows["pixel_sha256"], pixels))
    found.append(rows.filter(mask)["split"].to_pylist())
print(json.dumps(found))
"""


def make(root: Path, rows: int) -> None:
    """Write a workspace with these rows, and one version of them."""
    (root / "data/raw").mkdir(parents=True)
    (root / "dvc.yaml").write_text(STAGES)
    lists(root)
    (root / "params.yaml").write_text("recipes: [clip]\n")
    (root / "data/takedown.txt").write_text("# none yet\n")
    (root / "own.txt").write_text("where pictures come from\n")
    (root / ".gitignore").write_text("/data/raw\n/data/curated\n/runs\n.diptych/\nmlflow.db*\nmlartifacts/\n")
    numbers = np.arange(rows)
    flat = pa.table(
        {
            "key": [f"k{number:09d}" for number in numbers],
            "split": ["val" if number % 10 == 3 else "train" for number in numbers],
            "licence": ["CC0-1.0"] * rows,
            "sha256": [f"{number * 0x9E3779B97F4A7C15 % 2**256:064x}" for number in numbers.tolist()],
            "caption": [f"picture {number}" for number in numbers],
        }
    )
    digest = write_manifest(_manifest(flat), root / "data/raw/manifest.parquet")
    write_manifest(_manifest(flat.filter(pa.array(numbers % 10 != 0))), root / "data/curated/clip/manifest.parquet")
    source = {"source": {"name": "drawn"}, "samples": rows, "digest": digest}
    (root / "data/raw/source.json").write_text(json.dumps(source))
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, cwd=root, check=True)
    (root / ".dvc/config").write_text("[core]\n    analytics = false\n    site_cache_dir = .diptych/dvc\n")
    commit(root, "first")
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    version(root, "one")


def manifests(root: Path) -> list[str]:
    """Return the four manifests: the workspace's, and those in DVC's cache that the version was made from."""
    here = [root / "data/raw/manifest.parquet", root / "data/curated/clip/manifest.parquet"]
    return [str(path) for path in (*here, *here)]


def times(ask: Callable[[], dict[str, Any]], runs: int) -> dict[str, Any]:
    """Return what a side found, and the middle of what it took."""
    asked = [ask() for _ in range(runs)]
    least = round(min(one["wall_s"] for one in asked), 3)
    return {"found": asked[-1]["found"], "least_wall_s": least, **{name: round(median(one[name] for one in asked), 3) for name in ("wall_s", "cpu_s", "peak_mb")}}  # fmt: skip


def bench(rows: int, runs: int) -> dict[str, Any]:
    """Make, ask both sides, and return the report."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "work"
        make(root, rows)
        key = f"k{rows // 2 + 1:09d}"

        def ours() -> dict[str, Any]:
            said = measured([sys.executable, "-m", "flows.cli", "lineage", key, "--json"], root)
            below = json.loads(said["out"].splitlines()[-1])["found"][0]["below"]
            return {**said, "found": {one["name"]: one["facts"] for one in below}}

        def scan() -> dict[str, Any]:
            said = measured([sys.executable, "-c", SCAN, key, *manifests(root)], root)
            return {**said, "found": json.loads(said["out"])}

        first = ours()
        ours()  # the second finds out that nobody else writes to the registry
        sides: Mapping[str, Any] = {"ours": times(ours, runs), "pyarrow": times(scan, runs)}
        index = sum(path.stat().st_size for path in (root / ".diptych/lineage").rglob("*") if path.is_file())
    ran = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "bench": "lineage", "rows": rows, "runs": runs, "sides": sides, "first_wall_s": round(first["wall_s"], 1),
        "index_mb": round(index / 1e6, 1), "ratio": round(sides["pyarrow"]["cpu_s"] / sides["ours"]["cpu_s"], 2), "unit": "CPU-seconds",
        "peer": "pyarrow scan", "peer_version": pa.__version__, "machine": f"{os.cpu_count()} cores, {platform.processor() or platform.machine()}",
        "commit": ran.stdout.strip(), "load": round(os.getloadavg()[1], 1),
    }  # fmt: skip


def page(said: Mapping[str, Any]) -> str:
    """Return what docs/lineage.md says of it."""
    rows = "\n".join(
        f"| {name} | {its['least_wall_s']:.2f} s | {its['wall_s']:.2f} s | {its['cpu_s']:.2f} s | {its['peak_mb']:,.0f} MB |"
        for name, its in ((CALLED[side], its) for side, its in said["sides"].items())
    )
    return (
        f"A picture among {said['rows']:,} rows of a snapshot and {said['rows'] * 9 // 10:,} of a selection, in the workspace and in what a version was made from:\n\n"
        f"| a process of its own, {said['runs']} times | least wall time | middle | processor | memory |\n| --- | --- | --- | --- | --- |\n{rows}\n\n"
        f"The first question, which makes the indexes ({said['index_mb']:.0f} MB), took {said['first_wall_s']:.0f} s. `python -m tests.benchmarks.lineage --keep`, commit "
        f"`{said['commit']}`, pyarrow {said['peer_version']}, {said['machine']} with a load of {said['load']:g}."
    )


def main() -> None:
    """Measure, print, and keep where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--keep", action="store_true", help="leave it in docs/benchmarks/lineage.json")
    asked = parser.parse_args()
    said = bench(asked.rows, asked.runs)
    if asked.keep:
        KEPT.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(said))


if __name__ == "__main__":
    main()
