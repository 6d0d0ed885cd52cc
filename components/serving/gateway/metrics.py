"""What Prometheus reads of a gateway, over all its workers.

Names end in their unit. Where there are several workers, each counts in files of its own that the one which is asked adds up:
whoever starts them sets PROMETHEUS_MULTIPROC_DIR before this is imported. One alone begins with nothing whenever it is started.
"""

import os
import time
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import REGISTRY

from components.serving.gateway.settings import BEGAN, COUNTS

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)

START = Gauge(
    "diptych_start_time_seconds", "When the counts began, in seconds since 1970", multiprocess_mode="max"
)  # the same of all workers, but 0 until it is set
START.set(float(os.environ.get(BEGAN) or time.time()))
REQUESTS = Counter("diptych_requests_total", "Requests, by route and status", ["route", "status"])
SECONDS = Histogram("diptych_request_seconds", "From first byte in to last byte out", ["route"], buckets=_SECONDS)
REFUSED = Counter("diptych_refused_total", "Requests that were not answered, by code", ["code"])
IN_FLIGHT = Gauge("diptych_in_flight", "Requests under way", multiprocess_mode="livesum")
BATCH = Histogram("diptych_batch_samples", "Samples of a call of a model", ["model"], buckets=(1, 2, 4, 8, 16, 32))
IN_PROCESS = Gauge(
    "diptych_in_process",
    "Versions whose encoders a worker has open, summed over workers",
    multiprocess_mode="livesum",
)
VERSIONS = Counter("diptych_version_requests_total", "Questions to a version, by outcome", ["version", "outcome"])
VERSION_SECONDS = Histogram("diptych_version_seconds", "How long a version took", ["version"], buckets=_SECONDS)
VERSION_SQUARES = Counter(
    "diptych_version_seconds_squared", "Squares of how long a version took, which its variance is of", ["version"]
)
SCORES = Histogram(
    "diptych_best_score",
    "Score of the best answer",
    ["version", "route"],
    buckets=tuple(at / 40 for at in range(-10, 41)),
)
SHADOWED = Counter("diptych_shadow_total", "Answers of a shadow beside those given", ["version", "outcome"])


def exposition() -> bytes:
    """Return all of it in Prometheus' text format."""
    if COUNTS not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    _OfWorkers(registry)
    return generate_latest(registry)


class _OfWorkers(MultiProcessCollector):  # type: ignore[misc]  # it has no types
    """Reads no file of a worker that begins just now: it is there before its first page is, and the library's own reading ends with struct.error then."""

    def collect(self) -> Iterable[Metric]:
        files = [str(path) for path in Path(os.environ[COUNTS]).glob("*.db") if _has_begun(path)]
        return self.merge(files)  # type: ignore[no-any-return]


def _has_begun(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:  # it counted what a worker did that has ended meanwhile
        return False
