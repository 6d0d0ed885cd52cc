"""The seconds that a heat took, over the processes that ran it: one that was stopped counts up to the checkpoint from which it goes on."""

import json
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from components.contracts.errors import Interrupted
from components.contracts.progress import Progress

SECONDS = "seconds.json"  # beside a heat's checkpoints: step -> seconds behind it


class HeatClock:
    """A `Progress` that hands on what it is told, and looks at the clock where there is a checkpoint.

    Args:
        folder: of the heat, where its checkpoints lie.
        every: steps between two of these; there is one more where training is interrupted.
        progress: is told.
        now: seconds by a clock that never goes back.
    """

    def __init__(self, folder: Path, every: int, progress: Progress, now: Callable[[], float] = monotonic) -> None:
        self.path, self.every, self.progress, self.now = folder / SECONDS, every, progress, now
        self._began, self._before_s = now(), 0.0
        self._trains = False

    @property
    def seconds(self) -> float:
        """Those of this process, and those behind the checkpoint from which it went on; these are known from its first step on."""
        return self._before_s + self.now() - self._began

    def __call__(self, doing: str, done: int, total: int, **seen: float) -> None:
        """Tell it; raises what `progress` raises."""
        if doing != "training":
            self.progress(doing, done, total, **seen)
            return
        if not self._trains:
            self._trains, self._before_s = True, self._behind(done - 1)
        if done % self.every == 0:
            self._keep(done)
        try:
            self.progress(doing, done, total, **seen)
        except Interrupted:
            self._keep(done)
            raise

    def _kept(self) -> dict[int, float]:
        if not self.path.is_file():
            return {}
        return {int(step): float(its) for step, its in json.loads(self.path.read_text(encoding="utf-8")).items()}

    def _behind(self, step: int) -> float:
        """Return the seconds behind a step; of one that is not known, those behind the one before it that is."""
        known = self._kept()
        return known[max(earlier)] if (earlier := [its for its in known if its <= step]) else 0.0

    def _keep(self, step: int) -> None:
        half = self.path.with_name(f".{SECONDS}")
        half.write_text(json.dumps({**self._kept(), step: round(self.seconds, 3)}), encoding="utf-8")
        half.replace(self.path)
