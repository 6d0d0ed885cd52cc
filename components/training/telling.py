"""How far a training is, and how fast."""

import time

import lightning as L

from components.contracts.progress import Progress


class Telling:
    """Tells progress, and measures speed: samples a second, and the share of the time spent waiting for data.

    Args:
        progress: is told after every step.
        batch: samples a step.
    """

    def __init__(self, progress: Progress, batch: int) -> None:
        self.progress, self.batch = progress, batch
        self.steps, self.waited_s, self.began_s, self.ended_s = 0, 0.0, 0.0, 0.0
        self._looked = (0.0, 0.0)

    def begin(self) -> None:
        """Start the clock."""
        self.began_s = self.ended_s = time.perf_counter()
        self._looked = (self.began_s, 0.0)

    def step_begins(self) -> None:
        """Count the time since the last step ended as waiting."""
        self.waited_s += time.perf_counter() - self.ended_s

    def tell(self, trainer: L.Trainer) -> None:
        """Tell where we are; raises Interrupted when a signal has come."""
        self.steps += 1
        self.ended_s = time.perf_counter()
        loss = float(trainer.callback_metrics["train.loss"])
        self.progress("training", trainer.global_step, trainer.max_steps, loss=loss, samples_per_s=self.samples_per_s)

    @property
    def samples_per_s(self) -> float:
        """Samples a second of this run, watching and saving included."""
        return self.steps * self.batch / max(self.ended_s - self.began_s, 1e-9)

    @property
    def data_wait(self) -> float:
        """Share of the time spent waiting for batches, in [0, 1]."""
        return self.waited_s / max(self.ended_s - self.began_s, 1e-9)

    def waiting_since_last_look(self) -> float:
        """Return the share of the time that was waited for batches since this was last asked, in [0, 1]."""
        (then_s, waited_s), now_s = self._looked, time.perf_counter()
        self._looked = (now_s, self.waited_s)
        return (self.waited_s - waited_s) / max(now_s - then_s, 1e-9)
