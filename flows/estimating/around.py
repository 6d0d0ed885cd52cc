"""What a run takes beside its stages: Prefect, the registry, the gate and the server; kept, so that the next can be told before."""

import json
import os
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from components.stages.place import private

KEPT = "around.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What the last run took beside its stages.

    Args:
        seconds: by the clock.
        cpu_s: that processors worked for it, DVC included.
    """

    seconds: float
    cpu_s: float

    @classmethod
    def read(cls, root: Path) -> "Around | None":
        """Return what is kept of the last run of a workspace; None where none was, or another version wrote it."""
        try:
            return cls(**json.loads((root / ".diptych" / KEPT).read_text(encoding="utf-8")))
        except (FileNotFoundError, TypeError, ValueError):
            return None


class Beside:
    """A clock that is started before a run, and says at its end what was not its stages."""

    def __init__(self) -> None:
        self.at, self.at_s, self.cpu_s = time.time(), time.monotonic(), cpu_s()

    def keep(self, root: Path, stages_s: Iterable[float]) -> None:
        """Write it down, the stages having taken so long by the clock; their own seconds of work are in what they left."""
        whole_s, worked_s = time.monotonic() - self.at_s, cpu_s() - self.cpu_s
        left = (path for path in (root / ".diptych/outcome").glob("*.json") if path.stat().st_mtime >= self.at)
        own_s = sum(json.loads(path.read_text(encoding="utf-8")).get("cpu_seconds") or 0.0 for path in left)
        around = Around(seconds=round(max(0.0, whole_s - sum(stages_s)), 3), cpu_s=round(max(0.0, worked_s - own_s), 3))
        (private(root) / KEPT).write_text(json.dumps(asdict(around)) + "\n", encoding="utf-8")


def cpu_s() -> float:
    """Return the seconds that processors have worked for this process and for those that it waited for."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system
