"""How fast a search answers, and how much of what comparing all finds it finds."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

TOP = 10


def timed(
    ask: Callable[[Any], Iterable[Any]], questions: Sequence[Any] | np.ndarray
) -> tuple[list[list[int]], dict[str, float]]:
    """Return the answers, and the middle and the slowest of a hundred in milliseconds, wall and CPU."""
    for question in questions[:20]:
        ask(question)
    answers, walls, cpus = [], [], []
    for question in questions:
        wall, cpu = time.perf_counter(), time.process_time()
        answers.append(list(ask(question)))
        walls.append(1000 * (time.perf_counter() - wall))
        cpus.append(1000 * (time.process_time() - cpu))
    return answers, {
        "p50_ms": round(float(np.percentile(walls, 50)), 2), "p99_ms": round(float(np.percentile(walls, 99)), 2), "cpu_p50_ms": round(float(np.percentile(cpus, 50)), 2),
    }  # fmt: skip


def recall(found: list[list[int]], right: list[list[int]]) -> float:
    """Return the share of the right answers that were found."""
    return round(sum(len(set(ours) & set(its)) for ours, its in zip(found, right, strict=True)) / (TOP * len(right)), 4)
