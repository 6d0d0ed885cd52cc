"""How much of this machine the cgroups leave to this process: a container's, or those of a systemd unit and the slices that it lies in, of v2 or v1.

A limit holds for all that lies below it, so the least along the way counts. A container may see its own cgroup as the root while its path is
the machine's: folders that are not there have no limit.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ROOT, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


@dataclass(frozen=True, slots=True)
class Cgroups:
    """Those of a process.

    Args:
        root: where they are mounted; each controller of v1 in a folder of its own.
        own: the file that says in which the process is.
    """

    root: Path = ROOT
    own: Path = OWN

    def processors(self) -> float | None:
        """Return the part of the processors, such as 1.5; None where there is no limit."""
        return min((share for one in self._ways("cpu") if (share := _share(one)) is not None), default=None)

    def memory_bytes(self) -> int | None:
        """Return the memory; None where there is no limit."""
        return min((most for one in self._ways("memory") if (most := _most(one)) is not None), default=None)

    def free_bytes(self) -> int | None:
        """Return what is left of it, with what is held of files that nobody reads; None where there is no limit."""
        return min((left for one in self._ways("memory") if (left := _left(one)) is not None), default=None)

    def _ways(self, controller: str) -> Iterator[Path]:
        """Yield the folders that the process is in, and those that they lie in."""
        try:
            lines = self.own.read_text(encoding="utf-8").splitlines()
        except OSError:
            lines = ["0::/", f"1:{controller}:/"]
        for line in lines:
            _, controllers, path = line.split(":", 2)
            if controllers and controller not in controllers.split(","):
                continue
            parts = PurePosixPath(path).parts[1:]
            mounted = self.root / controller if controllers else self.root
            inside = parts if ".." not in parts else ()  # of what this process cannot see
            yield from (mounted.joinpath(*inside[:deep]) for deep in range(len(inside), -1, -1))


def _share(folder: Path) -> float | None:
    said = _words(folder / "cpu.max") or [*_words(folder / "cpu.cfs_quota_us"), *_words(folder / "cpu.cfs_period_us")]
    try:
        most, period = map(int, said)
    except ValueError:  # nothing, or `max`
        return None
    return most / period if most > 0 and period > 0 else None  # of v1, -1 is no limit


def _most(folder: Path) -> int | None:
    return _number(folder / "memory.max", folder / "memory.limit_in_bytes")


def _left(folder: Path) -> int | None:
    most, held = _most(folder), _number(folder / "memory.current", folder / "memory.usage_in_bytes")
    if most is None or held is None:
        return None
    words = _words(folder / "memory.stat")
    stats = dict(zip(words[::2], words[1::2], strict=False))
    idle = stats.get(
        "total_inactive_file", stats.get("inactive_file", "0")
    )  # of v1, the second is without what lies below
    return max(0, most - held + int(idle))


def _number(*paths: Path) -> int | None:
    """Return the number in the first file that has one."""
    return next((int(words[0]) for path in paths if (words := _words(path)) and words[0].isdigit()), None)


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").split()
    except OSError:
        return []
