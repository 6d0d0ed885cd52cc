"""What a pass over a loader takes; imported by every side, so it needs nothing but Python."""

import resource
import time
from collections.abc import Iterable
from typing import Any


def cpu_s() -> float:
    """Return the CPU-seconds of this process and of those of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def private_mb() -> float:
    """Return the memory that is this process's own now, in MB: pages of files, which the system may drop, are left out."""
    with open("/proc/self/status") as opened:  # noqa: PTH123  # one line of a file that is none
        return next(int(line.split()[1]) for line in opened if line.startswith("RssAnon")) / 1e3


def passed(batches: Iterable[Any], shown: tuple[int, ...] | None) -> dict[str, float]:
    """Go over batches, and return samples, seconds, and the most memory.

    What is not a float batch of pictures of the shape `shown` is an error; None takes whatever comes.
    """
    wall, cpu, samples, most = time.perf_counter(), cpu_s(), 0, 0.0
    for pictures in batches:
        if shown is not None and (tuple(pictures.shape[1:]) != shown or not pictures.dtype.is_floating_point):
            raise ValueError(
                f"a batch is {pictures.dtype} {tuple(pictures.shape)}, not floats of {shown}: nothing to compare"
            )
        samples, most = samples + len(pictures), max(most, private_mb())
    return {
        "samples": samples, "wall_s": time.perf_counter() - wall, "cpu_s": cpu_s() - cpu, "private_mb": most,
    }  # fmt: skip
