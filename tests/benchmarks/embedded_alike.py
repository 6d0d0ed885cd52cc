"""Deduplicate by embeddings: seconds, precision and recall for planted copies.

    python -m tests.benchmarks.embedded_alike --rows 100000

Rows lie around a tenth as many centres, as pictures of things do; one of ten is a copy of another with some noise, of a cosine of 0.98. Right is what comparing each
copy with its original finds. Prints one JSON object as its last line.
"""

import argparse
import json
import time

import numpy as np

from components.curation.embedded_alike import EXACT_ROWS, embedded_alike

WIDTH, COPIES, COSINE, BAR = 512, 0.1, 0.98, 0.95
SPREAD = 0.6  # of the rows of a centre, which have cosines of about 0.74 with each other


def main() -> None:
    """Draw, deduplicate and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    asked = parser.parse_args()
    rows = drawn(asked.rows)
    copies = int(asked.rows * COPIES)
    wall, cpu = time.perf_counter(), time.process_time()
    found = embedded_alike(rows, BAR)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    right = int((found >= asked.rows - copies).sum())
    print(
        json.dumps(
            {
                "bench": "embedded_alike", "rows": asked.rows, "width": WIDTH, "exact": asked.rows <= EXACT_ROWS, "seconds": round(wall, 1),
                "cpu_seconds": round(cpu, 1), "precision": right / max(1, len(found)), "recall": right / copies,
            }
        )
    )  # fmt: skip


def drawn(count: int) -> np.ndarray:
    """Return rows of length 1, the copies last."""
    rng = np.random.default_rng(0)
    copies = int(count * COPIES)
    first = _unit(rng.standard_normal((count // 10, WIDTH), np.float32))[rng.integers(0, count // 10, count - copies)]
    first = _unit(first + SPREAD * _unit(rng.standard_normal(first.shape, np.float32)))
    noise = _unit(rng.standard_normal((copies, WIDTH), np.float32)) * np.sqrt(1 / COSINE**2 - 1)
    return np.concatenate([first, _unit(first[:copies] + noise.astype(np.float32))])


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


if __name__ == "__main__":
    main()
