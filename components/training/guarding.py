"""What is done when a training goes wrong: it is logged, and the step is skipped, the training rolled back, or stopped.

All ranks decide alike: they look at the gradient and the loss of all of them, and the longest wait of any counts; embeddings have collapsed where those of each have.
"""

import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from components.contracts.errors import CapabilityError, DataError, DiptychError, GateClosed
from components.models.projection import LogitScale
from components.training.callbacks import Curves, any_rank, mean_over_ranks
from components.training.framework import L
from components.training.guards import Lasting, Spikes, Tries, collapsed, finite
from components.training.method_module import MethodModule
from components.training.numbers import Guards
from components.training.sharding import local
from components.training.telling import Telling

Answer = Literal["off", "log", "skip", "roll_back", "stop"]


class RollBack(Exception):
    """Go back to the last good state, and leave out the batch of `step` this time."""

    def __init__(self, step: int) -> None:
        super().__init__(f"roll back from step {step}")
        self.step = step


class Guarding(L.Callback):
    """Looks at every step before the optimizer takes it, and at the state of the training every `every` steps.

    A step that is skipped changes nothing but the clock: no weight, no moment of the optimizer, no running statistic.

    Args:
        guards: what is done about what.
        every: steps between two looks at the state.
        warmup_steps: features are looked at after these.
        curves: get `guard.<what>` at the step.
        telling: knows the time that was waited for data.
        tries: troubles so far, over all times the training was rolled back.
        left_out: steps whose batch is left out, because it led to where the training was rolled back.
    """

    def __init__(
        self, guards: Guards, *, every: int, warmup_steps: int, curves: Curves, telling: Telling, tries: Tries,
        left_out: frozenset[int],
    ) -> None:  # fmt: skip
        self.guards, self.every, self.warmup_steps = guards, every, warmup_steps
        self.curves, self.telling, self.tries, self.left_out = curves, telling, tries, left_out
        self.spikes = Spikes(guards.spike_window)
        self.capped, self.one, self.starved = (Lasting(guards.patience) for _ in range(3))
        self.before: list[Tensor] = []
        self.homes: list[tuple[nn.Module, str]] = []
        self.scales: list[LogitScale] = []

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Find where running statistics and scales live, once: to walk the modules takes a hundredth of a short step."""
        parts = list(_method_module(pl_module).method.modules())
        self.homes = [(part, name) for part in parts for name, _ in part.named_buffers(recurse=False)]
        self.scales = [part for part in parts if isinstance(part, LogitScale)]

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: L.LightningModule, *args: Any) -> None:
        """Keep the running statistics, which a forward pass changes before anybody can judge it."""
        module = _method_module(pl_module)
        module.skipped = False
        buffers = self._buffers()
        if len(self.before) != len(buffers):
            self.before = [buffer.clone() for buffer in buffers]
        elif buffers:
            torch._foreach_copy_(self.before, buffers)

    def on_before_optimizer_step(
        self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Judge the loss and the gradient, which is the mean over ranks by now."""
        module = _method_module(pl_module)
        step = trainer.global_step
        if step in self.left_out:
            self._count("left_out", step, "its batch led to where training was rolled back, and is left out")
            return self._skip(module, optimizer)
        loss = float(mean_over_ranks(trainer, module.seen.loss))
        gradients = [
            weight.grad for group in optimizer.param_groups for weight in group["params"] if weight.grad is not None
        ]
        bad = not finite([local(gradient) for gradient in gradients] if module.split else gradients)
        if module.split:
            bad = any_rank(trainer, bad)  # each has looked at its parts
        if bad or not math.isfinite(loss):
            which = module.seen.said if not math.isfinite(loss) else "a gradient of it is not"
            why = f"the loss at step {step} is not finite ({which}; first samples {', '.join(module.seen.keys[:3])})"
            return self._act("non_finite", self.guards.non_finite, step, why, module, optimizer)
        above = self.spikes.deviations(loss) if self.guards.spike != "off" else 0.0
        if above > self.guards.spike_deviations:
            why = (
                f"the loss at step {step} is {loss:.4g}, {above:.3g} deviations above its running median "
                f"(first samples {', '.join(module.seen.keys[:3])})"
            )
            self._act("spike", self.guards.spike, step, why, module, optimizer)
        if not module.skipped:
            self.spikes.keep(loss)

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *args: Any) -> None:
        """Look at the state that training has come to."""
        module, step = _method_module(pl_module), trainer.global_step
        if step % self.every or module.skipped:
            return
        at_most = [part.most for part in self.scales if float(part().detach()) >= part.most * (1 - 1e-4)]
        if self.guards.scale_capped != "off" and self.capped.at_last(bool(at_most)):
            why = f"the logit scale has been at its bound of {at_most[0] if at_most else 0:g} for {self._lasted}"
            self._state("scale_capped", self.guards.scale_capped, step, why, GateClosed)
        if self.guards.collapsed != "off" and step > self.warmup_steps:
            sides = collapsed(module.seen.embedded)
            others_well = any_rank(trainer, bool(module.seen.embedded) and not sides)  # each has looked at its own rows
            if self.one.at_last(any_rank(trainer, bool(sides)) and not others_well):
                why = f"the embeddings have collapsed for {self._lasted}: {', '.join(sides) or 'those of another rank'}"
                self._state("collapsed", self.guards.collapsed, step, why, GateClosed)
        if self.guards.starved != "off":
            self._look_at_waiting(trainer, step)

    def _look_at_waiting(self, trainer: L.Trainer, step: int) -> None:
        """Judge the wait for data; of several ranks the one that waits longest, for whom the others wait in turn.

        It is told and logged, and stands in no curve: two runs of the same training have different waits.
        """
        waiting = longest(trainer, self.telling.waiting)
        if not self.starved.at_last(waiting > self.guards.most_waiting):
            return
        why = f"{waiting:.0%} of the time is spent waiting for data, for {self._lasted}"
        if self.guards.starved == "stop":
            raise CapabilityError(f"{why}, at step {step}. Set workers higher in the scale, or guards.starved to log.")
        self.telling.log(step, {"guard.starved": 1.0})
        self._say(f"{why}, at step {step}; set workers higher in the scale")

    @property
    def _lasted(self) -> str:
        return f"{self.guards.patience} looks, one every {self.every} steps"

    def _act(
        self, what: str, answer: Answer, step: int, why: str, module: MethodModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Do what the policy says about one step."""
        if answer != "log" and (answer == "stop" or self.tries.spent(step)):
            often = (
                ""
                if answer == "stop"
                else f" There were {self.tries.most} such steps within {self.tries.within} before."
            )
            raise DataError(
                f"{why}.{often} Training on would only spread it. Look at those samples, or lower training.lr in the recipe.",
                f"{why}.{often}".removesuffix("."),
            )
        if answer == "roll_back":
            self._say(f"{why}; going back to the last good state, and leaving this batch out")
            raise RollBack(step)
        self._count(what, step, f"{why}; the step is {'skipped' if answer == 'skip' else 'taken'}")
        if answer == "skip":
            self._skip(module, optimizer)

    def _state(self, what: str, answer: Answer, step: int, why: str, kind: type[DiptychError]) -> None:
        if answer == "stop":
            raise kind(
                f"{why}, at step {step}. Lower training.lr or change the temperature in the recipe, or set guards.{what} to log."
            )
        self._count(what, step - 1, f"{why}, at step {step}")

    def _count(self, what: str, step: int, said: str) -> None:
        self.curves.add(step + 1, {f"guard.{what}": 1.0})
        self._say(f"guard {what}: {said}" if what == "left_out" else said)

    @staticmethod
    @L.pytorch.utilities.rank_zero_only
    def _say(said: str) -> None:
        print(said, flush=True)

    def _skip(self, module: MethodModule, optimizer: torch.optim.Optimizer) -> None:
        """Leave the optimizer nothing to step with, and bring running statistics back."""
        optimizer.zero_grad(set_to_none=True)
        for kept, buffer in zip(self.before, self._buffers(), strict=True):
            buffer.copy_(kept)
        module.skipped = True

    def _buffers(self) -> list[Tensor]:
        """Return running statistics as they are now; a method may have put another tensor in place of one."""
        return [buffer for part, name in self.homes if (buffer := part._buffers[name]) is not None]

    def counts(self) -> dict[str, int]:
        """Return what went wrong -> how often, of the steps that count."""
        names = [name for row in self.curves.rows.values() for name in row if name.startswith("guard.")]
        return {name.removeprefix("guard."): names.count(name) for name in sorted(set(names))}

    def state_dict(self) -> dict[str, Any]:
        """Return plain numbers, so that a resumed run judges as an undisturbed one."""
        looks = [self.capped.looks, self.one.looks]
        return {
            "losses": list(self.spikes.kept), "looks": looks, "left_out": sorted(self.left_out), "tries": sorted(self.tries.steps),
        }  # fmt: skip

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what the run that is continued has seen."""
        self.spikes.kept.extend(state_dict["losses"])
        self.capped.looks, self.one.looks = state_dict["looks"]
        self.left_out = self.left_out | frozenset(state_dict["left_out"])
        self.tries.steps.update(state_dict.get("tries", ()))  # older checkpoints have none


def longest(trainer: L.Trainer, waiting: float) -> float:
    """Return the largest of what the ranks give, so that all of them come to the same answer."""
    if trainer.world_size == 1:
        return waiting
    given = trainer.strategy.all_gather(torch.tensor(waiting, device=trainer.strategy.root_device))
    return float(given.max())


def _method_module(module: L.LightningModule) -> MethodModule:
    assert isinstance(module, MethodModule)
    return module
