"""What happens around the steps: curves, progress, checkpoints. Their state travels in Lightning's checkpoint."""

import math
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from components.contracts.errors import Interrupted
from components.training.checkpoints import Checkpoints
from components.training.ema import Averaged
from components.training.framework import L
from components.training.telling import Log, Telling

Watch = Callable[[nn.Module], Mapping[str, float]]
"""Scores a model: name -> value."""


class AfterStep(L.Callback):
    """Lets the method do what it does after a step; it must be the first callback.

    A module's own hook comes after all callbacks: the checkpoint would hold the weights of before.
    """

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *args: Any) -> None:
        """Clamp, average, or whatever the paper does here; nothing after a step that was skipped."""
        if not pl_module.skipped:
            pl_module.method.after_step(pl_module.clock)  # type: ignore[operator, union-attr]


class Curves(L.Callback):
    """Keeps the numbers of every `every`-th step; exact over a resume, because they lie in the checkpoint.

    Args:
        every: steps between two rows.
        told: gets every row as it comes, for a live page.
    """

    def __init__(self, every: int, told: Log) -> None:
        self.every, self.told = every, told
        self.rows: dict[int, dict[str, float]] = {}

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Keep numbers of one step, beside what is there."""
        self.rows.setdefault(step, {}).update(values)
        self.told(step, values)

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *args: Any) -> None:
        """Read what the step gave, the mean over ranks; logging each by Lightning would take a tenth of a short step."""
        step = trainer.global_step
        if step % self.every == 0 or step == 1 or step == trainer.max_steps:
            rate = trainer.optimizers[0].param_groups[0]["lr"]
            given: Mapping[str, Tensor] = pl_module.seen.numbers  # type: ignore[union-attr, assignment]
            values = {name: float(mean_over_ranks(trainer, one)) for name, one in given.items()}
            seen = {
                name: value for name, value in values.items() if math.isfinite(value)
            }  # of a skipped step, some are not
            self.add(step, {**seen, "train.lr": float(rate)})

    def state_dict(self) -> dict[str, Any]:
        """Return plain numbers, which a checkpoint read with weights_only may hold."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the rows of the run that is continued, and tell them: its live page may have been away when it was killed."""
        self.rows = state_dict["rows"]
        for step, row in sorted(self.rows.items()):
            self.told(step, row)

    def csv(self) -> str:
        """Return curves.csv: a column a name, an empty cell where a step has no such number."""
        names = sorted({name for row in self.rows.values() for name in row})
        lines = [",".join(["step", *names])]
        for step, row in sorted(self.rows.items()):
            lines.append(",".join([str(step), *(repr(row[name]) if name in row else "" for name in names)]))
        return "\n".join(lines) + "\n"


class Watching(L.Callback):
    """Scores the model on the validation split from time to time.

    Args:
        every: steps between two looks; the last step always has one.
        watch: scores the model.
        curves: keeps what it says.
        averaged: gives the model the mean of its weights meanwhile.
    """

    def __init__(self, every: int, watch: Watch, curves: Curves, averaged: Averaged | None = None) -> None:
        self.every, self.watch, self.curves, self.averaged = every, watch, curves, averaged

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *args: Any) -> None:
        """Score in evaluation mode, without gradient, and bring every part back to the mode it was in."""
        step = trainer.global_step
        if step % self.every and step != trainer.max_steps:
            return
        model: nn.Module = pl_module.method.model  # type: ignore[assignment, union-attr]
        modes = [(part, part.training) for part in model.modules()]  # a frozen part stays in evaluation mode throughout
        model.eval()
        with torch.no_grad(), self.averaged.in_place() if self.averaged else nullcontext():
            self.curves.add(step, self.watch(model))
        for part, mode in modes:
            part.training = mode


class Resumable(L.Callback):
    """Leaves a checkpoint every `every` steps, and one where training is interrupted.

    It must be the last callback: all else of the step has happened, and only `progress` can be interrupted here.

    Args:
        checkpoints: where they lie.
        every: steps between two.
        telling: tells progress, and raises what it raises when a signal has come.
        at_start: whether one is left before the first step, to go back to.
    """

    def __init__(self, checkpoints: Checkpoints, every: int, telling: Telling, *, at_start: bool) -> None:
        self.checkpoints, self.every, self.telling, self.at_start = checkpoints, every, telling, at_start
        self.saved_at = -1

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        if self.at_start:
            self.save(trainer)
        self.telling.begin()

    def on_train_batch_start(self, *args: Any) -> None:
        """Stop waiting for data."""
        self.telling.step_begins()

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *args: Any) -> None:
        """Save when it is time, and before going, so that no step is lost to a signal that only asks us to go."""
        step = trainer.global_step
        if step % self.every == 0 and step < trainer.max_steps:
            self.save(trainer)
        try:
            self.telling.tell(trainer)
            asked = None
        except Interrupted as err:
            asked = err
        if any_rank(trainer, asked is not None):
            self.save(trainer)
            raise asked or Interrupted("another rank was stopped")

    def save(self, trainer: L.Trainer) -> None:
        """Leave one of this step, unless there is one already; no rank goes on, and maybe looks for the newest, before it has its name."""
        if self.saved_at == trainer.global_step:
            return
        trainer.save_checkpoint(self.checkpoints.aside)  # all ranks take part, the first one writes
        if trainer.is_global_zero:
            self.checkpoints.keep(trainer.global_step)
        trainer.strategy.barrier()
        self.saved_at = trainer.global_step


def mean_over_ranks(trainer: L.Trainer, here: Tensor) -> Tensor:
    """Return the mean of what the ranks have; all of them ask at the same place, and what they have stays."""
    if trainer.world_size == 1:
        return here
    return trainer.strategy.reduce(here.clone(), reduce_op="mean")  # which is done in place


def any_rank(trainer: L.Trainer, here: bool) -> bool:
    """Return whether something is so on any rank; all of them ask at the same place."""
    if trainer.world_size == 1:
        return here
    return bool(
        trainer.strategy.reduce(torch.tensor(float(here), device=trainer.strategy.root_device), reduce_op="sum")
    )
