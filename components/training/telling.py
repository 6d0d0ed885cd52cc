"""How far a training is, and how fast."""

import time
from collections.abc import Callable, Mapping

from components.contracts.progress import Progress
from components.training.framework import L

Log = Callable[[int, Mapping[str, float]], None]
"""Takes the numbers of a step as they come: (step, name -> value)."""


class Telling:
    """Tells progress, and measures speed: samples a second, and the share of the time spent waiting for data.

    Args:
        progress: is told after every step.
        batch: samples a step.
        every: steps between two looks at the speed.
        log: is told what they see; no two runs have the same speed, so it stands in no curve.
    """

    waiting = 0.0  # share of the time between the last two looks that was waited for data, in [0, 1]

    def __init__(self, progress: Progress, batch: int, *, every: int, log: Log) -> None:
        self.progress, self.batch, self.every, self.log = progress, batch, every, log
        self.steps, self.waited_s, self.began_s, self.ended_s = 0, 0.0, 0.0, 0.0
        self._looked = (0.0, 0.0, 0)

    def begin(self) -> None:
        """Start the clock; where training has gone back it goes on, and to go back is no wait for data."""
        self.ended_s = time.perf_counter()
        self.began_s = self.began_s or self.ended_s
        self._looked = (self.ended_s, self.waited_s, self.steps)

    def step_begins(self) -> None:
        """Count the time since the last step ended as waiting."""
        self.waited_s += time.perf_counter() - self.ended_s

    def tell(self, trainer: L.Trainer) -> None:
        """Tell where we are; raises Interrupted when a signal has come."""
        self.steps += 1
        self.ended_s = time.perf_counter()
        if trainer.global_step % self.every == 0:
            self._look(trainer.global_step)
        loss = float(trainer.lightning_module.seen.loss)  # type: ignore[union-attr, arg-type]  # of this rank
        self.progress("training", trainer.global_step, trainer.max_steps, loss=loss, samples_per_s=self.samples_per_s)

    def _look(self, step: int) -> None:
        then_s, waited_s, steps = self._looked
        took_s = max(self.ended_s - then_s, 1e-9)
        self.waiting = (self.waited_s - waited_s) / took_s
        self._looked = (self.ended_s, self.waited_s, self.steps)
        samples = (self.steps - steps) * self.batch
        self.log(step, {"speed.samples_per_s": samples / took_s, "speed.data_wait": self.waiting})

    @property
    def samples_per_s(self) -> float:
        """Samples a second of this run, watching and saving included."""
        return self.steps * self.batch / max(self.ended_s - self.began_s, 1e-9)

    @property
    def data_wait(self) -> float:
        """Share of the time spent waiting for batches, in [0, 1]."""
        return self.waited_s / max(self.ended_s - self.began_s, 1e-9)
