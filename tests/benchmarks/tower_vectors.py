"""Codes of a bit a number on vectors of a trained tower: the pictures of a package's index, more of them between these, and questions in words.

A package has thousands of pictures, and codes are for more than 100,000. What is added lies between a picture and one of its ten nearest, at a drawn place of the first half
of the way, so that it lies where the tower puts pictures, and near ones are as near as they are there or nearer. Questions are the text tower's vectors of the index's texts.
Axes: N pictures of the package, R rows that are searched, Q questions, D embedding width.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pyarrow.parquet as pq

from components.serving.encoders import PackageEncoders
from components.serving.package import Package
from components.serving.search.vectors import Vectors
from tests.benchmarks.index_memory import held_mb
from tests.benchmarks.search_timing import TOP, recall, timed

NEAREST, PART = 10, 50_000


def between(rows: np.ndarray, count: int, path: Path, seed: int = 0) -> np.ndarray:
    """Write float32 [R D] of unit length, the N rows first and then such as lie between them, and return it, mapped."""
    rng = np.random.default_rng(seed)
    _, near = _flat(rows).search(rows, NEAREST + 1)
    found = np.lib.format.open_memmap(path, "w+", np.float32, (count, rows.shape[1]))
    found[: len(rows)] = rows[:count]
    for start in range(len(rows), count, PART):
        size = min(PART, count - start)
        own = rng.integers(len(rows), size=size)
        other = near[own, rng.integers(1, NEAREST + 1, size=size)]
        way = rng.uniform(0, 0.5, (size, 1)).astype(np.float32)
        mixed = rows[own] + way * (rows[other] - rows[own])
        found[start : start + size] = mixed / np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-12)
    found.flush()
    return found


def questions_of(package: Package, count: int, seed: int = 0) -> np.ndarray:
    """Return float32 [Q D]: the text tower's vectors of so many different texts of the index."""
    texts = sorted({text for text in pq.read_table(package.path / "index.parquet")["text"].to_pylist() if text})
    drawn = np.random.default_rng(seed).permutation(len(texts))[:count]
    return PackageEncoders(package, threads=1).embed_text([texts[at] for at in drawn])


def measured(folder: Path, sizes: list[int], count: int) -> dict[str, Any]:
    """Return for each number of rows what codes find, how fast, and in how much memory, beside comparing all."""
    package = Package.verify(folder)
    rows = np.ascontiguousarray(np.load(folder / "index.npy"), np.float32)
    questions = questions_of(package, count)
    found: dict[str, Any] = {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "index.npy"
            whole = between(rows, size, path)
            flat = _flat(whole)
            right, exact = timed(lambda question, flat=flat: flat.search(question[None], TOP)[1][0], questions)
            del flat
            began = time.perf_counter()
            vectors = Vectors(path, Path(scratch), few=0)
            built_s = time.perf_counter() - began
            ours, codes = timed(lambda question, vectors=vectors: vectors.nearest(question, TOP), questions)
            memory_mb, whole_mb = held_mb(path, Path(scratch), few=0), whole.nbytes / 1e6
        found[str(size)] = {
            "recall_at_10": recall(ours, right), **codes, "build_s": round(built_s, 1), "memory_mb": memory_mb,
            "memory_share": round(memory_mb / whole_mb, 5), "resident": True, "flat_p50_ms": exact["p50_ms"],
        }  # fmt: skip
    return {"rows": found, "pictures": len(rows), "width": int(rows.shape[1]), "questions": len(questions)}


def _flat(rows: np.ndarray) -> faiss.IndexFlatIP:
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(np.ascontiguousarray(rows))
    return index
