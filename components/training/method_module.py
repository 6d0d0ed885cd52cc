"""The one LightningModule: it runs any method, sums its terms, and steps."""

import random
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from components.contracts.batch import Batch
from components.contracts.method import Clock, Method
from components.data.batches import Made, Unseen
from components.training.framework import L
from components.training.grad_cache import GradCache
from components.training.numbers import Optimisation
from components.training.param_groups import optimizer_of
from components.training.schedules import schedule_of
from components.training.sharding import is_split, local, norm_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the last step gave.

    Args:
        loss: float [], on this rank.
        terms: what it is the sum of.
        only_seen: what the method only wants logged.
        keys: the samples.
        embedded: as of `Losses`.
    """

    loss: Tensor
    terms: Mapping[str, Tensor]
    only_seen: Mapping[str, Tensor]
    keys: tuple[str, ...]
    embedded: Mapping[str, Tensor]

    @property
    def numbers(self) -> dict[str, Tensor]:
        """Return all of it that curves show, each float []."""
        named = {"loss": self.loss, **self.terms, **self.only_seen}
        return {f"train.{name}": value.detach().float() for name, value in named.items()}

    @property
    def said(self) -> str:
        """Return the terms with their values."""
        return ", ".join(f"{name} {float(term.detach()):g}" for name, term in self.terms.items())


class MethodModule(L.LightningModule):
    """Any method. `seen` is what the last step gave, `skipped` whether it was not taken.

    Args:
        method: the paper.
        optimisation: how fast what learns.
        seed: with the step it seeds dropout, so that a resumed step draws what an undisturbed one draws.
        total_steps: optimizer steps of the whole training.
        steps_per_epoch: only told to the method.
        micro_batch: pairs that are encoded at once; 0 for all.

    Raises ConfigError as of GradCache.
    """

    seen: Seen
    skipped = False
    split = False  # whether ranks have parts of its weights; known when training starts

    def __init__(
        self, method: Method, optimisation: Optimisation, *, seed: int, total_steps: int, steps_per_epoch: int,
        micro_batch: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.method, self.optimisation, self.seed = method, optimisation, seed
        self.total_steps, self.steps_per_epoch = total_steps, steps_per_epoch
        self.cache = GradCache(method.model, micro_batch) if micro_batch else None

    @property
    def clock(self) -> Clock:
        """Where training stands."""
        step = self.global_step
        return Clock(step=step, total_steps=self.total_steps, epoch=step // self.steps_per_epoch)

    def transfer_batch_to_device(self, batch: Made, device: torch.device, dataloader_idx: int) -> Made:
        """Move a batch while the device still works on the one before; Lightning's own way waits for what is no tensor."""
        if device.type == "cpu":  # where batches are made
            return batch
        return batch.to(device, non_blocking=True)

    def on_after_batch_transfer(self, batch: Made, dataloader_idx: int) -> Batch:
        """Show the pictures, where that was left for the device."""
        return batch.seen() if isinstance(batch, Unseen) else batch

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the sum of the terms; whether it may be stepped on is for the guards to say, who look at `seen`."""
        seed_draws(self.seed * 1_000_003 + self.global_step)
        with self.cache.caching() if self.cache else nullcontext():
            losses = self.method.losses(batch, self.clock)
        total = torch.stack([term.float() for term in losses.terms.values()]).sum()
        self.seen = Seen(
            loss=total.detach(), terms=losses.terms, only_seen=losses.seen, keys=batch.keys, embedded=losses.embedded
        )
        return total

    def on_train_start(self) -> None:
        """Let no rank share a gradient that is not whole yet, and see once what is split: to walk all weights takes 0.3 ms."""
        self.split = is_split(self.method.parameters())
        wrapped = self.trainer.strategy.model
        if self.cache and isinstance(wrapped, DistributedDataParallel):
            wrapped.require_backward_grad_sync = False

    def on_after_backward(self) -> None:
        """Give the towers their gradient, where they were encoded in parts, and take the mean over ranks where nobody has yet."""
        if self.cache:
            with self.trainer.precision_plugin.forward_context():
                self.cache.replay()
        if self.trainer.world_size > 1 and (self.cache or self.split):
            for parameter in self.method.parameters():
                if parameter.grad is not None and not isinstance(parameter, DTensor):  # whose parts are means by now
                    self.trainer.strategy.reduce(parameter.grad, reduce_op="mean")  # in place

    def configure_gradient_clipping(
        self, optimizer: Optimizer, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """Cut the norm of the gradient, which of split towers is that over all ranks' parts."""
        if gradient_clip_val is None:
            return
        if not self.split:
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)
            return
        gradients = [
            weight.grad for group in optimizer.param_groups for weight in group["params"] if weight.grad is not None
        ]
        if not gradients:  # the step is skipped
            return
        share = (gradient_clip_val / (norm_of(gradients) + 1e-6)).clamp(max=1.0)  # as torch does
        for gradient in gradients:
            local(gradient).mul_(share)

    def configure_optimizers(self) -> Any:
        """Return the optimizer and its schedule, stepped every step."""
        optimizer = optimizer_of(self.method, self.optimisation)
        schedule = schedule_of(optimizer, self.optimisation, self.total_steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def seed_draws(seed: int) -> None:
    """Seed what draws within a step: torch on the CPU and on GPUs that are in use, NumPy, and Python's own random.

    torch.manual_seed does so too, and keeps a traceback for each kind of device that is not there: 0.1 ms and more, by how
    deep the call is.
    """
    torch.default_generator.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)
