"""Records with what their pictures show, in the order in which they come, decoded once each, by several threads.

Decoding, scaling and hashing leave Python's lock, so threads are enough, and a picture is never copied to a process.
"""

import hashlib
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from PIL import Image

from components.contracts.reject import Reject
from components.contracts.sample import Sample
from components.data.thumbnail import small_jpeg
from components.validation.measure import Measured, measure_picture

_MOST_THREADS = 16
_AHEAD = 2  # pictures in memory, for each thread


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """One picture, once looked at.

    Args:
        measured: what was found.
        sha256: of its bytes.
        thumbnail: a small JPEG of it on white; None where it cannot be decoded.
    """

    measured: Measured
    sha256: str
    thumbnail: bytes | None = field(repr=False)


def look_through(
    records: Iterable[Sample | Reject], threads: int | None = None
) -> Iterator[tuple[Sample, Looked] | Reject]:
    """Yield every record in order; holds a few pictures at a time. `threads` are as many as there are cores unless given."""
    threads = threads or min(_MOST_THREADS, len(os.sched_getaffinity(0)))
    waiting: deque[tuple[Sample, Future[Looked]] | Reject] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="look")
    try:
        for record in records:
            if isinstance(record, Reject):
                waiting.append(record)
            else:
                waiting.append((record, pool.submit(look_at_bytes, record.media[0].data)))
            if len(waiting) > _AHEAD * threads:
                yield _next(waiting)
        while waiting:
            yield _next(waiting)
    finally:
        pool.shutdown(cancel_futures=True)


def look_at_bytes(data: bytes) -> Looked:
    """Decode once, and measure."""
    thumbnails: list[bytes] = []

    def keep(picture: Image.Image) -> None:
        thumbnails.append(small_jpeg(picture))

    measured = measure_picture(data, keep=keep)
    return Looked(
        measured=measured, sha256=hashlib.sha256(data).hexdigest(), thumbnail=thumbnails[0] if thumbnails else None
    )


def _next(waiting: deque[tuple[Sample, Future[Looked]] | Reject]) -> tuple[Sample, Looked] | Reject:
    first = waiting.popleft()
    return first if isinstance(first, Reject) else (first[0], first[1].result())
