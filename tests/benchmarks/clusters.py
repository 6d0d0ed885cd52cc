"""Spherical k-means of rows that lie on disk in half precision, on two levels and on one, beside faiss.Kmeans, which is given all of it in memory.

    python -m tests.benchmarks.clusters --rows 200000 --clusters 4096

Rows lie around as many directions as there are clusters. CPU-seconds are those of learning the centres and of finding the nearest for every row; how good it is
says the mean cosine of a row with its nearest centre. Prints one JSON object as its last line.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from components.curation.spherical import MOST, spherical_centres
from flows.machine import machine

WIDTH, ROUNDS, SPREAD, LABELS = 64, 20, 0.7, 8


def main() -> None:
    """Draw rows, cluster them by each way, and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--clusters", type=int, default=4_096)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = drawn(Path(folder) / "rows.f16", asked.rows, asked.clusters)
        ways: dict[str, Callable[[], float]] = {
            "two levels": lambda: ours(rows, asked.clusters, 2),
            "one level": lambda: ours(rows, asked.clusters, 1),
            "faiss.Kmeans": lambda: theirs(rows, asked.clusters),
        }
        found = {name: measured(way) for name, way in ways.items()}
    ratio = found["faiss.Kmeans"]["cpu_s"] / found["two levels"]["cpu_s"]
    print(
        json.dumps(
            {
                "bench": "clusters", "ratio": round(ratio, 2), "ours": "two levels", "peer": "faiss.Kmeans", "peer_version": faiss.__version__,
                "unit": "times as fast, CPU-seconds", "rows": asked.rows, "width": WIDTH, "clusters": asked.clusters, "rounds": ROUNDS,
                "labels": LABELS, "ways": found, "machine": machine(),
            }
        )
    )  # fmt: skip


def drawn(path: Path, count: int, clusters: int) -> np.ndarray:
    """Return rows in a file, as float16."""
    rng = np.random.default_rng(0)
    rows = np.memmap(path, np.float16, "w+", shape=(count, WIDTH))
    around = unit(rng.standard_normal((clusters, WIDTH), np.float32))
    for start in range(0, count, 65_536):
        size = min(65_536, count - start)
        noise = unit(rng.standard_normal((size, WIDTH), np.float32))
        rows[start : start + size] = around[rng.integers(0, clusters, size)] + SPREAD * noise
    rows.flush()
    return rows


def ours(rows: np.ndarray, clusters: int, levels: Any) -> float:
    """Return the mean cosine with the nearest centre, of eight that are looked for."""
    centres = spherical_centres(rows, clusters, ROUNDS, 0, levels=levels)
    return float(centres.nearest(rows, LABELS, "").cosines[:, 0].mean())


def theirs(rows: np.ndarray, clusters: int) -> float:
    """Return the same by faiss alone."""
    whole = unit(np.asarray(rows, np.float32))
    means = faiss.Kmeans(
        WIDTH, clusters, niter=ROUNDS, spherical=True, seed=0, min_points_per_centroid=1, max_points_per_centroid=MOST
    )
    means.train(whole)
    index = faiss.IndexFlatIP(WIDTH)
    index.add(means.centroids)
    return float(index.search(whole, LABELS)[0][:, 0].mean())


def measured(way: Callable[[], float]) -> dict[str, float]:
    """Return CPU-seconds and the mean cosine."""
    began = time.process_time()
    cosine = way()
    return {"cpu_s": round(time.process_time() - began, 1), "mean_cosine": round(cosine, 4)}


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


if __name__ == "__main__":
    main()
