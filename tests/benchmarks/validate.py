"""How long the metadata checks take: validation of many rows whose pictures have been looked at, without reading one.

    python -m tests.benchmarks.validate --rows 1000000

Rows, and what was found of their pictures, are drawn from a seed: captions of about ten words, one row in a thousand a twin,
one in a hundred with a place in its file. Prints one JSON object as its last line.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.data.manifest import SCHEMA, write_manifest
from components.data.quarantine import QuarantineWriter
from components.validation.measure import MEASURED
from components.validation.validate import validate

SPLITS = np.array(["train"] * 90 + ["val"] * 4 + ["pair"] * 4 + ["designer", "concept"])


def main() -> None:
    """Draw, validate, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    count = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        raw, out = Path(folder) / "raw", Path(folder) / "out"
        measured = draw(raw, count)
        before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        wall, cpu = time.perf_counter(), time.process_time()
        report = validate(
            raw, out / "validated", out / "evaluation", max_broken=1.0, seed=0, failed_report=out / "failed.html",
            measured=measured,
        )  # fmt: skip
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    said = {
        "bench": "validate", "rows": count, "wall_s": round(wall, 1), "cpu_s": round(cpu, 1), "rows_per_s": round(count / wall),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2), "drawing_gb": round(before_kb / 1e6, 2),
        "found": {code: its["rows"] for code, its in (report["reasons"] | report["told"]).items()},
        "machine": f"{os.cpu_count()} cores, {platform.processor() or platform.machine()}", "commit": commit,
    }  # fmt: skip
    print(json.dumps(said))


def draw(raw: Path, count: int) -> pa.Table:
    """Write a snapshot without shards to `raw`, and return what was found of its pictures."""
    draws = np.random.default_rng(0)
    raw.mkdir(parents=True)
    manifest = _manifest(draws, count)
    source = {"name": "drawn", "designers": {"web": "CC0-1.0"}, "languages": ["en"]}
    splits = {split: int((SPLITS[np.arange(count) % 100] == split).sum()) for split in dict.fromkeys(SPLITS.tolist())}
    digest = write_manifest(manifest, raw / "manifest.parquet")
    came_in = {
        "source": source, "seed": 0, "splits": splits, "designers": {"web": splits}, "samples": count, "rows_in": count, "quarantined": 0, "rejected": {}, "digest": digest,
    }  # fmt: skip
    (raw / "source.json").write_text(json.dumps(came_in))
    with QuarantineWriter(raw / "quarantine.parquet"):
        pass
    return _measured(draws, count)


def _manifest(draws: np.random.Generator, count: int) -> pa.Table:
    numbers = np.arange(count)
    split = pa.array(SPLITS[numbers % 100])
    kept = numbers % 3 == 0
    captions = pa.StructArray.from_arrays(
        [drawn_captions(draws, count), _all("short", count), _all("en", count)],
        fields=list(SCHEMA.field("texts").type.value_type),
    )
    labels = pa.StructArray.from_arrays(
        [pa.array([f"c{n % 997}" if keep else None for n, keep in zip(numbers.tolist(), kept, strict=True)], pa.string())]
        + [pa.nulls(count, pa.string())] * 2,
        fields=list(SCHEMA.field("labels").type),
    )  # fmt: skip
    columns = {
        "key": _named("k", numbers), "split": split, "source": _all("web", count), "licence": _all("CC0-1.0", count),
        "shard": pa.array([f"train/{n // 10000:06d}.tar" for n in numbers.tolist()]), "offset": pa.array(numbers % 10000 * 40960),
        "size_bytes": pa.array(20000 + numbers % 20000), "sha256": _named("f" * 52, numbers), "pixel_sha256": _named("e" * 52, numbers),
        "width": pa.array(np.full(count, 256, np.int32)), "height": pa.array(np.full(count, 256, np.int32)),
        "texts": pa.ListArray.from_arrays(pa.array(np.arange(count + 1, dtype=np.int32)), captions), "labels": labels,
    }  # fmt: skip
    return pa.table([columns[name] for name in SCHEMA.names], SCHEMA)


def _measured(draws: np.random.Generator, count: int) -> pa.Table:
    numbers = np.arange(count)
    twins = np.where(numbers % 1000 == 1, numbers - 1, numbers)
    busy = draws.random(4 * count) < 0.3
    columns = {
        "found": _all(True, count), "intact": _all(True, count), "decodable": _all(True, count), "flaw": pa.nulls(count, pa.string()),
        "fault": _all("", count), "width": pa.array(np.full(count, 256, np.int32)), "height": pa.array(np.full(count, 256, np.int32)),
        "contrast": pa.array(draws.uniform(0.0099, 0.5, count)), "pixel_sha256": _named("e" * 52, twins),
        "perceptual": pa.array(draws.integers(0, 2**64, count, dtype=np.uint64)),
        "colour": pa.FixedSizeListArray.from_arrays(pa.array(draws.random(3 * count, dtype=np.float32)), 3),
        "corners": pa.FixedSizeListArray.from_arrays(pa.array(draws.integers(0, 2**64, 4 * count, dtype=np.uint64), mask=~busy), 4),
        "says_where": pa.array(numbers % 100 == 7),
        **{name: _all(False, count) for name in ("animated", "cmyk_converted", "exif_rotated")},
        "face": pa.nulls(count, pa.bool_()), "score": pa.nulls(count, pa.float32()),
    }  # fmt: skip
    return pa.table([columns[name] for name in MEASURED.names], MEASURED)


def drawn_captions(draws: np.random.Generator, count: int) -> pa.Array:
    """Return captions of about ten of 30,000 made-up words."""
    words = np.array(
        ["".join(draws.choice(list("abcdefghijklmnopqrstuvwxyz"), draws.integers(2, 10))) for _ in range(30_000)]
    )
    lengths = np.maximum(2, draws.normal(10, 4, count).astype(int))
    said = pa.array(words).take(pa.array(draws.integers(0, len(words), lengths.sum())))
    return pc.binary_join(
        pa.ListArray.from_arrays(pa.array(np.append(0, lengths.cumsum()).astype(np.int32)), said), " "
    )


def _named(prefix: str, numbers: np.ndarray) -> pa.Array:
    return pa.array([f"{prefix}{number:012d}" for number in numbers.tolist()])


def _all(value: object, count: int) -> pa.Array:
    return pa.repeat(value, count)


if __name__ == "__main__":
    main()
