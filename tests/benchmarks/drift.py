"""How often a look calls drift, by requests that are drawn: `python -m tests.benchmarks.drift --keep`.

Vectors lie about twenty directions, as texts about twenty kinds of things do. Where nothing moved, requests and reference are drawn alike; else
some of the requests are of a twenty-first kind, or all of them lie a little aside. Prints one JSON object as its last line; --keep writes it to
docs/benchmarks/drift.json.
"""

import argparse
import json
import os
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from components.contracts.monitor import Watch
from components.monitoring.drift import look_for_drift, outcome_of
from components.monitoring.reference import of_requests
from components.monitoring.requests import Requests
from components.serving.gateway.samples import SCHEMA
from infra.results import processor
from tests.benchmarks.loader import commit
from tests.squares import REPOSITORY

KEPT_AT = REPOSITORY / "docs/benchmarks/drift.json"
WIDTH, KINDS, NOISE = 64, 20, 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """How requests are drawn: so many rows, in so many looks, a share of a new kind, all moved by so much of their noise; scores likewise."""

    rows: int
    looks: int
    new: float = 0.0
    aside: float = 0.0
    scores: float = 0.0


SCENES = {
    "nothing moved, 100 rows": Scene(rows=100, looks=1000),
    "nothing moved, 1,000 rows": Scene(rows=1000, looks=200),
    "a tenth is of a new kind, 100 rows": Scene(rows=100, looks=200, new=0.1),
    "a tenth is of a new kind, 1,000 rows": Scene(rows=1000, looks=60, new=0.1),
    "a third is of a new kind, 100 rows": Scene(rows=100, looks=200, new=1 / 3),
    "all a fifth of a spread aside, 1,000 rows": Scene(rows=1000, looks=60, aside=0.2),
    "scores half a spread lower in one language, 1,000 rows": Scene(rows=1000, looks=60, scores=0.5),
}


def main() -> None:
    """Draw, look, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT_AT.relative_to(REPOSITORY)}")
    parser.add_argument("--looks", type=int, help="of each scene, instead of its own")
    asked = parser.parse_args()
    said: dict[str, Any] = {"bench": "drift", "scenes": {}}
    for name, scene in SCENES.items():
        its = replace(scene, looks=asked.looks or scene.looks)
        began = time.perf_counter()
        found = called(its)
        said["scenes"][name] = {
            "called": found,
            "looks": its.looks,
            "seconds": round((time.perf_counter() - began) / its.looks, 3),
        }
    said |= {
        "alpha": Watch().alpha, "machine": f"{os.cpu_count()} cores, {processor()}", "date": time.strftime("%Y-%m-%d"), "commit": commit(),
        "command": "python -m tests.benchmarks.drift --keep",
    }  # fmt: skip
    if asked.keep:
        KEPT_AT.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(said))


def called(scene: Scene) -> int:
    """Return in how many looks drift is called."""
    plain = replace(scene, new=0.0, aside=0.0, scores=0.0)
    looks = (
        look_for_drift(
            drawn(scene, 2 * seed), of_requests(drawn(plain, 2 * seed + 1), Watch().most_rows, seed), Watch(), seed
        )
        for seed in range(scene.looks)
    )
    return sum(outcome_of(lines) == "drift" for lines in looks)


def drawn(scene: Scene, seed: int) -> Requests:
    """Return searches by words in two languages, and as many by pictures."""
    rng, centres = np.random.default_rng([seed, 7]), np.random.default_rng(0).normal(size=(KINDS + 1, WIDTH))
    kinds = np.where(rng.random(2 * scene.rows) < scene.new, KINDS, rng.integers(KINDS, size=2 * scene.rows))
    vectors = centres[kinds] + NOISE * rng.normal(size=(2 * scene.rows, WIDTH)) + scene.aside * NOISE
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    german, scores = np.arange(scene.rows) % 2, rng.normal(size=scene.rows)
    scores -= scene.scores * german
    none = [None] * scene.rows
    columns = {
        "side": ["text"] * scene.rows + ["image"] * scene.rows, "lang": [("en", "de")[its] for its in german] + none,
        "query": [f"{at}" for at in range(scene.rows)] + none, "scores": [[score] for score in scores] + none,
        "embedding": pa.ListArray.from_arrays(np.arange(0, vectors.size + 1, WIDTH, dtype=np.int32), pa.array(vectors.ravel())),
    }  # fmt: skip
    every = {
        its.name: pa.array(columns[its.name], its.type) if its.name in columns else pa.nulls(2 * scene.rows, its.type)
        for its in SCHEMA
    }
    return Requests(table=pa.table(every, SCHEMA))


def page(said: dict[str, Any]) -> str:
    """Return what docs/monitoring.md shows of it."""
    rows = "\n".join(
        f"| {name} | {one['looks']:,} | {one['called'] / one['looks']:.1%} | {one['seconds']:.2f} s |"
        for name, one in said["scenes"].items()
    )
    return (
        f"| drawn requests, of texts and of pictures, against as many | looks | drift called | a look takes |\n| --- | --- | --- | --- |\n{rows}\n\n"
        f"`{said['command']}`, commit `{said['commit'][:7]}`, {said['machine']}, at `alpha` {said['alpha']:g}. Vectors of {WIDTH} numbers about {KINDS} directions; two languages."
    )


if __name__ == "__main__":
    main()
