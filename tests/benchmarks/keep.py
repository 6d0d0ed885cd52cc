"""Measure and Keep beside Data-Juicer's filters: the same captions and sizes of pictures, the same limits, which rows stay, and what it took.

    python -m tests.benchmarks.keep --rows 100000

Rows are drawn. Half of the captions are plain; the others end in something over which counts may part, see KINDS. No picture is
opened on either side: both are given the sizes, Data-Juicer as the statistics that its own filters leave behind. Each side runs in a
process of its own, reads Parquet, and writes what stays and what it counted. Starting it counts; so a tenth of the rows goes first, and
what all of them take more is what a row takes. Prints one JSON object as its last line.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.curation.making import Making
from components.curation.ops.keep import Keep
from components.curation.ops.measure import Measure
from components.curation.pieces import InProcess
from components.curation.pipeline import curated
from components.data.manifest import SCHEMA, read_manifest, write_manifest
from tests.benchmarks.data_diff import measured
from tests.benchmarks.environments import python_of
from tests.benchmarks.validate import drawn_captions

KINDS: Mapping[str, tuple[float, str]] = {  # kind -> share of the captions, and what is added to one
    "plain": (0.5, ""), "comma": (0.1, ", too"), "accents": (0.1, " naïve"), "Cyrillic": (0.1, " кошка"), "joined": (0.05, " cat\u00a0dog"),
    "number": (0.05, " 2"), "dash": (0.05, " -"), "emoji": (0.05, " \N{CAT}"),
}  # fmt: skip
# Kinds whose words we count otherwise: a word without a letter is none to Data-Juicer, and a no-break space parts none there.
COUNTED_APART = ("number", "dash", "emoji", "joined")
# What must hold, in our words and in theirs; limits are within on both sides.
FILTERS: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "text_length_filter": ("30 <= characters <= 120", {"min_len": 30, "max_len": 120}),
    "words_num_filter": ("5 <= words <= 15", {"min_num": 5, "max_num": 15}),
    "image_aspect_ratio_filter": ("aspect <= 3", {"min_ratio": 1 / 3, "max_ratio": 3.0}),
    "image_shape_filter": ("64 <= width <= 2048 and 64 <= height <= 2048", {"min_width": 64, "max_width": 2048, "min_height": 64, "max_height": 2048}),
    "image_size_filter": ("size_bytes >= 8192", {"min_size": "8192"}),
}  # fmt: skip


def main() -> None:
    """Draw, let both choose, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--sides", nargs="+", choices=("ours", "data_juicer"), default=["ours", "data_juicer"])
    parser.add_argument("--only-ours", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.only_ours:
        choose(asked.only_ours)
    else:
        print(json.dumps(everything(asked.rows, asked.sides)))


def everything(rows: int, sides: list[str]) -> dict[str, Any]:
    """Return what came of a tenth of the rows and of all, and what the others of them cost."""
    sizes = [beside(count, sides) for count in (max(1, rows // 10), rows)]
    less, most = (its["sides"] for its in sizes)
    more = {name: most[name]["cpu_s"] - less[name]["cpu_s"] for name in sides}
    both = len(sides) == 2
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "bench": "keep", "filters": {name: said for name, (said, _) in FILTERS.items()}, "rows": {str(its["rows"]): its for its in sizes},
        "us_a_row": {name: round(cpu / (rows - sizes[0]["rows"]) * 1e6, 1) for name, cpu in more.items()},
        "ratio": {"with_start": round(most["data_juicer"]["cpu_s"] / most["ours"]["cpu_s"], 1), "a_row": round(more["data_juicer"] / more["ours"], 1)} if both else None,
        "unit": "CPU-seconds, theirs over ours", "machine": f"{os.cpu_count()} cores, {platform.processor() or platform.machine()}", "commit": commit.stdout.strip(),
    }  # fmt: skip


def beside(rows: int, sides: list[str]) -> dict[str, Any]:
    """Return what each side takes for so many rows and how many it keeps; of two sides, which rows only one keeps, by kind."""
    with tempfile.TemporaryDirectory() as folder:
        kinds = draw(Path(folder), rows)
        took, kept = {}, {}
        for name in sides:
            took[name], kept[name] = {"ours": ours, "data_juicer": theirs}[name](Path(folder))
    said = {"rows": rows, "sides": {name: its | {"kept": len(kept[name])} for name, its in took.items()}}
    return said | ({} if len(sides) == 1 else apart(kept["ours"], kept["data_juicer"], kinds))


def apart(ours: set[str], theirs: set[str], kinds: Mapping[str, str]) -> dict[str, Any]:
    """Return how many rows both sides keep, and of those that one side alone keeps how many there are of each kind."""
    alike = {key for key, kind in kinds.items() if kind not in COUNTED_APART}
    return {
        "kept_by_both": len(ours & theirs), "only_ours": dict(Counter(kinds[key] for key in sorted(ours - theirs))),
        "only_data_juicer": dict(Counter(kinds[key] for key in sorted(theirs - ours))),
        "counted_alike": {"rows": len(alike), "kept": len(ours & alike), "same": ours & alike == theirs & alike},
    }  # fmt: skip


def draw(folder: Path, rows: int) -> dict[str, str]:
    """Write the rows as manifest.parquet, and as flat.parquet for Data-Juicer; return key -> kind."""
    draws = np.random.default_rng(0)
    kinds = draws.choice(list(KINDS), rows, p=[share for share, _ in KINDS.values()]).tolist()
    said = [caption + KINDS[kind][1] for caption, kind in zip(drawn_captions(draws, rows).to_pylist(), kinds, strict=True)]  # fmt: skip
    height = draws.integers(32, 1536, rows)
    width = np.maximum(16, height * np.exp(draws.normal(0, 0.6, rows))).astype(int)
    bytes_ = (width * height * draws.uniform(0.05, 0.4, rows)).astype(int) + 100
    keys = [f"k{number:09d}" for number in range(rows)]
    stats = {"aspect_ratios": width / height, "image_width": width, "image_height": height, "image_sizes": bytes_}
    flat = {
        "key": keys, "text": said, "images": [["no.png"]] * rows,
        "__dj__stats__": pa.StructArray.from_arrays([_singly(one) for one in stats.values()], list(stats)),
    }  # fmt: skip
    pq.write_table(pa.table(flat), folder / "flat.parquet")
    numbers = pa.array(range(rows), pa.int64())
    columns = {
        "key": keys, "split": ["train"] * rows, "source": ["own"] * rows, "licence": ["CC0-1.0"] * rows, "shard": ["train/000000.tar"] * rows,
        "offset": numbers, "size_bytes": bytes_, "width": width, "height": height, "texts": [[{"text": text, "kind": "short", "lang": "en"}] for text in said],
        **{name: [f"{number:064x}" for number in range(rows)] for name in ("sha256", "pixel_sha256")},
        "labels": [{"concept": None, "category": None, "subcategory": None}] * rows,
    }  # fmt: skip
    write_manifest(
        pa.table([pa.array(columns[field.name], field.type) for field in SCHEMA], SCHEMA), folder / "manifest.parquet"
    )
    return dict(zip(keys, kinds, strict=True))


def _singly(values: np.ndarray) -> pa.Array:
    """Return each value as a list of one: of one picture a sample."""
    return pa.ListArray.from_arrays(pa.array(np.arange(len(values) + 1, dtype=np.int32)), pa.array(values))


def choose(folder: Path) -> None:
    """Do what the stage curate does with these steps: read the manifest, and write the selection and what was counted."""
    ops = [Measure(), *(Keep(where=said) for said, _ in FILTERS.values())]
    making = Making(folder, {}, folder / "cache", InProcess(lambda *_: None))
    table, reports = curated(ops, read_manifest(folder / "manifest.parquet"), making, 0, lambda *_: None)
    write_manifest(table.select(SCHEMA.names), folder / "kept.parquet")
    added = [name for name in table.column_names if name not in SCHEMA.names]
    pq.write_table(table.select(["key", *added]), folder / "columns.parquet", compression="zstd")
    print(json.dumps({"left": [report.rows_out for report in reports[1:]]}))


def ours(folder: Path) -> tuple[dict[str, Any], set[str]]:
    """Return what our side took, how many each step left, and which keys stayed."""
    said = measured([sys.executable, "-m", "tests.benchmarks.keep", "--only-ours", str(folder)], folder)
    return _took(said), _keys(folder / "kept.parquet")


def theirs(folder: Path) -> tuple[dict[str, Any], set[str]]:
    """Return the same of Data-Juicer."""
    process = [{name: dict(limits)} for name, (_, limits) in FILTERS.items()]
    (folder / "filters.json").write_text(json.dumps(process))
    side = Path(__file__).parent / "peers/data_juicer_side.py"
    said = measured([str(python_of("data_juicer")), str(side), str(folder)], folder)
    return _took(said), _keys(folder / "theirs/kept.parquet")


def _took(said: Mapping[str, Any]) -> dict[str, Any]:
    found = json.loads(said["out"].splitlines()[-1])
    return found | {name: round(said[name], 2) for name in ("wall_s", "cpu_s", "peak_mb")}


def table(said: Mapping[str, Any]) -> str:
    """Return what each side took as docs/curation.md prints it."""
    few, most = sorted(said["rows"].values(), key=lambda its: its["rows"])
    lines = [f"| | {few['rows']:,} rows | {most['rows']:,} rows | a row | memory |", "| --- | --- | --- | --- | --- |"]
    for name, called in (("ours", "Measure and Keep"), ("data_juicer", "Data-Juicer")):
        its = most["sides"][name]
        lines.append(
            f"| {called} {its.get('version', '')}".rstrip()
            + f" | {few['sides'][name]['cpu_s']} s | {its['cpu_s']} s | {said['us_a_row'][name]} \N{MICRO SIGN}s | {its['peak_mb'] / 1e3:.2f} GB |"
        )
    return "\n".join(lines)


def _keys(path: Path) -> set[str]:
    keys = pq.read_table(path, columns=["key"])["key"]
    if len(keys) != pc.count_distinct(keys).as_py():
        raise RuntimeError(f"{path.name} has a key twice, so rows that stayed cannot be told apart")
    return set(keys.to_pylist())


if __name__ == "__main__":
    main()
