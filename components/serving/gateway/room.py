"""How much of this machine a worker of the gateway may take for encoders that it runs itself; of a container or a unit of systemd the part that it has."""

from dataclasses import dataclass

import psutil

from components.data.cgroups import Cgroups
from components.data.processes import HERE, cores

MB = 2**20
LEAST_MB, MOST_MB = 128, 1_024  # of both encoders of a version in each worker, which holds them for each
SHARE = 1 / 8  # of the memory, at most, for those of a version in all workers, beyond LEAST_MB
TO_OPEN = 3  # times the size of their files that are taken while they are opened


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What one worker may take.

    Args:
        mb: that the files of both encoders of a version may have, in 2**20 bytes.
        threads: that run texts, and as many that run pictures, of large encoders: of cores that do not share out evenly none is left idle.
    """

    mb: float
    threads: int

    @classmethod
    def of(cls, workers: int, cgroups: Cgroups = HERE) -> "Room":
        """Return that of each of so many workers."""
        mb = SHARE * memory_mb(cgroups) / workers
        return cls(mb=max(LEAST_MB, min(MOST_MB, mb)), threads=-(-cores(cgroups) // workers))


def memory_mb(cgroups: Cgroups) -> float:
    """Return how many 2**20 bytes of memory there are."""
    total, most = psutil.virtual_memory().total, cgroups.memory_bytes()
    return float(total if most is None else min(total, most)) / MB


def free_mb(cgroups: Cgroups = HERE) -> float:
    """Return how many 2**20 bytes of memory nobody needs at the moment; of a container what it holds of files that nobody reads is free, too."""
    free, left = psutil.virtual_memory().available, cgroups.free_bytes()
    return float(free if left is None else min(free, left)) / MB
