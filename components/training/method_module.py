"""The one LightningModule: it runs any method, sums its terms, guards against numbers that are none, and steps."""

from typing import Any

import lightning as L
import torch
from torch import Tensor

from components.contracts.batch import Batch
from components.contracts.errors import DataError
from components.contracts.method import Clock, Method
from components.data.batches import Made, Unseen
from components.training.numbers import Optimisation
from components.training.param_groups import optimizer_of, warm_cosine


class MethodModule(L.LightningModule):
    """Any method, with warm-up and cosine.

    Args:
        method: the paper.
        optimisation: how fast what learns.
        seed: with the step it seeds dropout, so that a resumed step draws what an undisturbed one draws.
        total_steps: optimizer steps of the whole training.
        steps_per_epoch: only told to the method.
    """

    def __init__(
        self, method: Method, optimisation: Optimisation, *, seed: int, total_steps: int, steps_per_epoch: int
    ) -> None:
        super().__init__()
        self.method, self.optimisation, self.seed = method, optimisation, seed
        self.total_steps, self.steps_per_epoch = total_steps, steps_per_epoch

    @property
    def clock(self) -> Clock:
        """Where training stands."""
        step = self.global_step
        return Clock(step=step, total_steps=self.total_steps, epoch=step // self.steps_per_epoch)

    def transfer_batch_to_device(self, batch: Made, device: torch.device, dataloader_idx: int) -> Made:
        """Move a batch while the device still works on the one before; Lightning's own way waits for what is no tensor."""
        return batch.to(device, non_blocking=True)

    def on_after_batch_transfer(self, batch: Made, dataloader_idx: int) -> Batch:
        """Show the pictures, where that was left for the device."""
        return batch.seen() if isinstance(batch, Unseen) else batch

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the sum of the terms; raises DataError when it is not a finite number."""
        torch.manual_seed(self.seed * 1_000_003 + self.global_step)
        losses = self.method.losses(batch, self.clock)
        total = torch.stack([term.float() for term in losses.terms.values()]).sum()
        if not torch.isfinite(total):
            terms = ", ".join(f"{name} {float(term.detach()):g}" for name, term in losses.terms.items())
            raise DataError(
                f"the loss at step {self.global_step} is not finite ({terms}; first samples {', '.join(batch.keys[:3])}). "
                "Training on would only spread it. Look at those samples, or lower training.lr in the recipe."
            )
        named = {"loss": total, **losses.terms, **losses.seen}
        seen = {f"train.{name}": value.detach().float() for name, value in named.items()}
        self.log_dict(seen, batch_size=len(batch), sync_dist=True)  # the mean over ranks
        return total

    def configure_optimizers(self) -> Any:
        """Return the optimizer and its schedule, stepped every step."""
        optimizer = optimizer_of(self.method, self.optimisation)
        schedule = warm_cosine(optimizer, int(self.optimisation.warmup * self.total_steps), self.total_steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
