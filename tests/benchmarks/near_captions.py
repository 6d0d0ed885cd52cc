"""How many of planted captions that are nearly the same are found, and how many others with them; and how long a million take.

    python -m tests.benchmarks.near_captions

Each of the captions of tests/near_captions.py is varied 40 times, five times over, among 2,000 that have nothing in common;
one that is in a group of 20 or more counts as found. Templates are asked for false alarms. Prints one JSON object.
"""

import json
import os
import platform
import time

import numpy as np
import pyarrow as pa

from components.validation.said_alike import said_alike
from tests.benchmarks.validate import drawn_captions
from tests.near_captions import BASES, near_equal, spelled_alike, templated, unlike

LEAST, VARIED, SEEDS, OTHERS, ROWS = 20, 40, 5, 2000, 1_000_000


def main() -> None:
    """Plant, look, print."""
    said = {
        "bench": "near_captions", "command": "python -m tests.benchmarks.near_captions",
        "edits": {str(edits): _planted(edits) for edits in (1, 2, 3)},
        "templates": {name: _alarms(captions) for name, captions in templated().items()},
        "spelled_alike": _alarms(spelled_alike()),
        "million": _million(), "machine": f"{os.cpu_count()} cores, {platform.processor() or platform.machine()}",
    }  # fmt: skip
    print(json.dumps(said))


def _planted(edits: int) -> dict[str, int]:
    """Return of captions this far from their base how many were planted and found, and how many others were called one thing."""
    found = wrong = 0
    for base in BASES:
        for seed in range(SEEDS):
            others = unlike(OTHERS, seed)
            group, large = _groups(others + near_equal(base, VARIED, edits, seed))
            found += int(np.isin(group[OTHERS:], large).sum())
            wrong += int(np.isin(group[:OTHERS], large).sum())
    return {"planted": len(BASES) * SEEDS * VARIED, "found": found, "wrong": wrong}


def _alarms(captions: list[str]) -> dict[str, int]:
    group, large = _groups(captions + unlike(OTHERS))
    return {"captions": len(captions), "wrong": int(np.isin(group, large).sum())}


def _groups(captions: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the group of each caption, and those groups that are large enough to be told of."""
    group = said_alike(pa.array(captions), LEAST)
    numbers, counts = np.unique(group[group >= 0], return_counts=True)
    return group, numbers[counts >= LEAST]


def _million() -> dict[str, float]:
    captions = drawn_captions(np.random.default_rng(0), ROWS)
    wall, cpu = time.perf_counter(), time.process_time()
    said_alike(captions, LEAST)
    return {"rows": ROWS, "wall_s": round(time.perf_counter() - wall, 1), "cpu_s": round(time.process_time() - cpu, 1)}


if __name__ == "__main__":
    main()
