"""A million vectors searched by codes and again by vectors, beside comparing all: `python -m tests.benchmarks.vector_search --keep`.

The vectors are drawn as a tower's lie: 512 numbers, 20,000 clusters, all about a mean that is far from 0, of a spectrum that falls with the root of the place. Questions are
drawn the same way and are none of them. One thread of each library computes. Beside stand faiss' flat index, which compares all, and its HNSW graph (--hnsw, many minutes to build).
--package FOLDER asks vectors of a trained tower instead (tower_vectors.py), and keeps what it finds beside. Prints one JSON object as its last line; --keep writes it to docs/benchmarks/vector_search.json.
"""

import argparse
import json
import os
import shlex
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from components.serving.search.catalogue import write_catalogue
from components.serving.search.entry import Entry
from components.serving.search.searcher import FILE, Searcher
from components.serving.search.vectors import Vectors
from infra.results import processor
from tests.benchmarks.environments import ROOT
from tests.benchmarks.index_memory import held_mb
from tests.benchmarks.loader import commit
from tests.benchmarks.search_timing import TOP, recall, timed
from tests.benchmarks.tower_vectors import measured

KEPT_AT = ROOT / "docs/benchmarks/vector_search.json"
WIDTH, CLUSTERS, QUESTIONS, PART = 512, 20_000, 300, 50_000
VOCABULARY, SAID, ASKED = 30_000, 10, 3  # words: of the language, of a caption, of a question
ROWS = 1_000_000
TOWER_ROWS = (200_000, 1_000_000)


def draw(count: int, path: Path) -> np.ndarray:
    """Write so many vectors, and return questions of the same kind, float32 [Q D]."""
    rng = np.random.default_rng(0)
    spectrum = (np.arange(1, WIDTH + 1) ** -0.5).astype(np.float32)
    middles = rng.standard_normal((CLUSTERS, WIDTH), dtype=np.float32) * spectrum
    mean = 0.5 * rng.standard_normal(WIDTH).astype(np.float32)

    def some(number: int) -> np.ndarray:
        rows = (
            mean
            + middles[rng.integers(CLUSTERS, size=number)]
            + 0.7 * rng.standard_normal((number, WIDTH), dtype=np.float32) * spectrum
        )
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    rows = np.lib.format.open_memmap(path, "w+", np.float32, (count, WIDTH))
    for start in range(0, count, PART):
        rows[start : start + PART] = some(min(PART, count - start))
    rows.flush()
    return some(QUESTIONS)


def searched(folder: Path, questions: np.ndarray) -> dict[str, dict[str, float]]:
    """Return how fast a search of the gateway's answers: rows that a filter leaves and what is known of each hit are fetched, captions ranked too.

    A picture has a caption of ten words, which are as frequent as their rank is low, as in a language, so that a few are in most of them; a question has three words of one. The
    filter leaves half of the pictures, and was asked before.
    """
    rng = np.random.default_rng(0)
    count = len(np.load(folder / "index.npy", mmap_mode="r"))
    share = 1 / np.arange(1, VOCABULARY + 1)
    ranks = rng.choice(VOCABULARY, (count, SAID), p=share / share.sum())
    entries = (
        Entry(key=f"k{at}", text=text, said=(("en", text),), columns={"source": "ab"[at % 2]})
        for at, text in enumerate(map(_text, ranks))
    )
    write_catalogue(folder / FILE, entries)
    words = [_text(ranks[at, :ASKED]) for at in rng.integers(count, size=len(questions))]
    pairs = list(zip(questions, words, strict=True))
    searcher = Searcher(folder / "index.npy", folder / FILE)
    ways: dict[str, tuple[bool, bool]] = {
        "by vector": (False, False), "by vector, half filtered out": (False, True), "by vector and words": (True, False), "by vector and words, half filtered out": (True, True),
    }  # fmt: skip
    found = {}
    for name, (by_words, filtered) in ways.items():
        where = {"source": ["a"]} if filtered else None
        _, found[f"search {name}"] = timed(
            lambda pair, by_words=by_words, where=where: [
                one.entry.key for one in searcher.search(pair[0], pair[1] if by_words else None, TOP, where)
            ],
            pairs,
        )
    searcher.close()
    return found


def _text(ranks: np.ndarray) -> str:
    return " ".join(f"w{rank:05}" for rank in ranks.tolist())


def command_of(given: argparse.Namespace) -> str:
    """Return what measures the same again."""
    rows = "" if given.rows == ROWS else f" --rows {given.rows}"
    graph = " --hnsw" if given.hnsw else ""
    package = "" if given.package is None else f" --package {shlex.quote(str(given.package))}"
    return f"python -m tests.benchmarks.vector_search{rows}{graph}{package} --keep"


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--hnsw", action="store_true")
    parser.add_argument("--package", type=Path, help="measure the vectors of this package's towers alone")
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT_AT.relative_to(ROOT)}")
    given = parser.parse_args()
    if os.environ.get("OMP_NUM_THREADS") != "1":  # which numpy reads once, when it is imported
        again = [sys.executable, "-m", "tests.benchmarks.vector_search", *sys.argv[1:]]
        os.execve(sys.executable, again, {**os.environ, "OMP_NUM_THREADS": "1"})
    faiss.omp_set_num_threads(1)
    about = {
        "date": time.strftime("%Y-%m-%d"), "commit": commit(), "machine": f"{os.cpu_count()} cores, {processor()}, no GPU, one thread",
    }  # fmt: skip
    if given.package is not None:
        tower = measured(given.package, list(TOWER_ROWS), QUESTIONS) | about
        tower["command"] = command_of(given)
        if given.keep:
            said = json.loads(KEPT_AT.read_text(encoding="utf-8")) | {"tower": tower}
            KEPT_AT.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
        print(json.dumps({"bench": "vector_search", "tower": tower}))
        return
    with tempfile.TemporaryDirectory() as folder:
        questions = draw(given.rows, Path(folder) / "index.npy")
        rows = np.load(Path(folder) / "index.npy", mmap_mode="r")
        flat = faiss.IndexFlatIP(WIDTH)
        flat.add(rows)
        right, exact = timed(lambda question: flat.search(question[None], TOP)[1][0], questions)
        del flat
        began = time.perf_counter()
        vectors = Vectors(Path(folder) / "index.npy", Path(folder))
        built_s = time.perf_counter() - began
        found, codes = timed(lambda question: vectors.nearest(question, TOP), questions)
        memory_mb = held_mb(Path(folder) / "index.npy", Path(folder))
        asked = searched(Path(folder), questions)
        half = np.arange(0, given.rows, 2)
        _, filtered = timed(lambda question: vectors.nearest(question, TOP, half), questions[:50])
        sides: dict[str, Any] = {
            "codes": {
                **codes,
                "recall_at_10": recall(found, right),
                "build_s": round(built_s, 1),
                "memory_mb": memory_mb,
                "resident": True,
            },
            "codes, half filtered out": filtered,
            **asked,
            "faiss flat": {**exact, "recall_at_10": 1.0, "memory_mb": round(rows.nbytes / 1e6, 1)},
        }
        if given.hnsw:
            began = time.perf_counter()
            graph = faiss.IndexHNSWFlat(WIDTH, 32, faiss.METRIC_INNER_PRODUCT)
            graph.add(rows)
            built_s = time.perf_counter() - began
            graph.hnsw.efSearch = 128
            found, its = timed(lambda question: graph.search(question[None], TOP)[1][0], questions)
            sides["faiss HNSW"] = {
                **its, "recall_at_10": recall(found, right), "build_s": round(built_s, 1), "memory_mb": round((rows.nbytes + given.rows * 4 * 64) / 1e6, 1),
            }  # fmt: skip
    said = {
        "bench": "vector_search", "rows": given.rows, "width": WIDTH, "questions": QUESTIONS, "sides": sides, "faiss": faiss.__version__, **about,
        "command": command_of(given),
    }  # fmt: skip
    if given.keep:
        before = json.loads(KEPT_AT.read_text(encoding="utf-8")) if KEPT_AT.exists() else {}
        said |= {"tower": before["tower"]} if "tower" in before else {}
        KEPT_AT.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(said))


if __name__ == "__main__":
    main()
