"""How much of this machine a worker of the gateway may take for encoders that it runs itself; of a container the part that it has."""

import os
from dataclasses import dataclass
from pathlib import Path

import psutil

MB = 2**20
LEAST_MB, MOST_MB = 128, 1_024  # of both encoders of a version in each worker, which holds them for each
SHARE = 1 / 8  # of the memory, at most, for those of a version in all workers, beyond LEAST_MB
TO_OPEN = 3  # times the size of their files that are taken while they are opened
CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What one worker may take.

    Args:
        mb: that the files of both encoders of a version may have, in 2**20 bytes.
        threads: that run texts, and as many that run pictures, of large encoders.
    """

    mb: float
    threads: int

    @classmethod
    def of(cls, workers: int, cgroup: Path = CGROUP) -> "Room":
        """Return that of each of so many workers."""
        mb = SHARE * memory_mb(cgroup) / workers
        return cls(mb=max(LEAST_MB, min(MOST_MB, mb)), threads=max(1, processors(cgroup) // workers))


def free_mb() -> float:
    """Return how many 2**20 bytes of memory nobody needs at the moment."""
    return psutil.virtual_memory().available / MB


def memory_mb(cgroup: Path) -> float:
    """Return how many 2**20 bytes of memory there are."""
    total = psutil.virtual_memory().total
    try:
        return min(total, int((cgroup / "memory.max").read_text())) / MB
    except (OSError, ValueError):  # no container's, or `max`
        return total / MB


def processors(cgroup: Path) -> int:
    """Return how many processors this process may use."""
    ours = len(os.sched_getaffinity(0))
    try:
        most, period = (cgroup / "cpu.max").read_text().split()
        return max(min(ours, round(int(most) / int(period))), 1)
    except (OSError, ValueError):  # as above
        return ours
