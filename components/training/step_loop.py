"""Lightning's loop over steps with only what a training of ours has in it, which leaves more of a short step to the step.

Lightning's own asks 60 hooks a step, most of which nobody has, keeps metrics that nobody logs to it, and looks up how
`training_step` is written. What it counts is counted here too, so that its checkpoints are the same; ranks, precision and the devices stay its
strategies'.
"""

from typing import Any

from components.training.framework import L
from components.training.method_module import MethodModule

_ASKED = ("on_train_batch_start", "on_before_optimizer_step", "on_train_batch_end")
_NOT_ASKED = ("on_before_zero_grad", "on_before_backward", "on_after_backward")


class StepLoop(L.pytorch.loops.training_epoch_loop._TrainingEpochLoop):
    """Takes one step a batch: forward, backward, guards, clipping, optimizer, schedule, and then the callbacks' look at it.

    Args:
        trainer: whose callbacks are asked at the beginning of a step, before the optimizer takes it, and at its end.

    Raises ValueError for a callback that has another hook of a step, which would never be asked.
    """

    def __init__(self, trainer: L.Trainer) -> None:
        super().__init__(trainer, max_steps=trainer.max_steps)
        callbacks: list[L.Callback] = trainer.callbacks  # type: ignore[attr-defined]
        for callback in callbacks:
            if never := [name for name in _NOT_ASKED if _has(callback, name)]:
                raise ValueError(
                    f"{type(callback).__name__} has {', '.join(never)}, which the loop over steps does not ask. Use one of {', '.join(_ASKED)}."
                )
        self.at_start, self.before_step, self.at_end = (
            [callback for callback in callbacks if _has(callback, name)] for name in _ASKED
        )

    @property
    def global_step(self) -> int:
        """Steps that the optimizer took, those before a checkpoint too; asked for ten times a step."""
        return self.automatic_optimization.optim_progress.optimizer_steps

    def advance(self, data_fetcher: Any) -> None:
        """Take the next batch, and a step with it; StopIteration where there is none."""
        trainer, module = self.trainer, self.trainer.lightning_module
        assert isinstance(module, MethodModule)
        self.val_loop.restarting = False
        if trainer.world_size > 1:
            self._broadcast_sigterm_tensor()
        made, _, _ = next(data_fetcher)
        number = self.batch_idx + 1
        self.batch_progress.is_last_batch = data_fetcher.done
        batch = module.on_after_batch_transfer(
            module.transfer_batch_to_device(made, trainer.strategy.root_device, 0), 0
        )
        self.batch_progress.increment_ready()
        for callback in self.at_start:
            callback.on_train_batch_start(trainer, module, batch, number)
        self.batch_progress.increment_started()
        self._step(module, batch, number)
        self.batch_progress.increment_processed()
        self._schedule()
        for callback in self.at_end:
            callback.on_train_batch_end(trainer, module, None, batch, number)
        self.batch_progress.increment_completed()

    def _step(self, module: MethodModule, batch: Any, number: int) -> None:
        trainer, counted = self.trainer, self.automatic_optimization.optim_progress.optimizer
        strategy, optimizer = trainer.strategy, trainer.optimizers[0]
        counted.step.increment_ready()
        loss: Any = strategy.training_step(batch, number)  # in its precision, and by DDP where there are ranks
        counted.zero_grad.increment_ready()
        counted.zero_grad.increment_started()
        optimizer.zero_grad()
        counted.zero_grad.increment_completed()
        strategy.pre_backward(loss)
        loss.backward()
        module.on_after_backward()
        strategy.post_backward(loss)
        for callback in self.before_step:
            callback.on_before_optimizer_step(trainer, module, optimizer)
        module.configure_gradient_clipping(optimizer, trainer.gradient_clip_val, trainer.gradient_clip_algorithm)
        optimizer.step()
        counted.step.increment_completed()

    def _schedule(self) -> None:
        for config in self.trainer.lr_scheduler_configs:
            self.scheduler_progress.increment_ready()
            config.scheduler.step()  # type: ignore[call-arg]  # one that asks for metrics is not among our schedules
            self.scheduler_progress.increment_completed()

    def on_advance_end(self, data_fetcher: Any) -> None:
        """Count the step; leave where Lightning was told to."""
        self._batches_that_stepped += 1
        if self.trainer.received_sigterm and not self._is_training_done:
            raise L.pytorch.utilities.exceptions.SIGTERMException


def _has(callback: L.Callback, hook: str) -> bool:
    """Return whether a callback does something there."""
    return getattr(type(callback), hook) is not getattr(L.Callback, hook)
