"""How much of this machine a worker of the gateway may take for encoders that it runs itself; of a container the part that it has."""

from dataclasses import dataclass
from pathlib import Path

import psutil

from components.data.processes import cores

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
        threads: that run texts, and as many that run pictures, of large encoders: of cores that do not share out evenly none is left idle.
    """

    mb: float
    threads: int

    @classmethod
    def of(cls, workers: int, cgroup: Path = CGROUP) -> "Room":
        """Return that of each of so many workers."""
        mb = SHARE * memory_mb(cgroup) / workers
        return cls(mb=max(LEAST_MB, min(MOST_MB, mb)), threads=-(-cores(cgroup / "cpu.max") // workers))


def memory_mb(cgroup: Path) -> float:
    """Return how many 2**20 bytes of memory there are."""
    total: int = psutil.virtual_memory().total
    most = _said(cgroup / "memory.max")
    return (total if most is None else min(total, most)) / MB


def free_mb(cgroup: Path = CGROUP) -> float:
    """Return how many 2**20 bytes of memory nobody needs at the moment; of a container what it holds of files that nobody reads is free, too."""
    free: int = psutil.virtual_memory().available
    most, held = _said(cgroup / "memory.max"), _said(cgroup / "memory.current")
    if most is None or held is None:
        return free / MB
    return max(0, min(free, most - held + (_said(cgroup / "memory.stat", "inactive_file") or 0))) / MB


def _said(path: Path, name: str = "") -> int | None:
    """Return the number in a file of a cgroup, or that behind a name; None where there is none, or no limit."""
    try:
        lines = dict(line.rpartition(" ")[::2] for line in path.read_text(encoding="ascii").splitlines())
        return int(lines[name])
    except (OSError, ValueError, KeyError):
        return None
