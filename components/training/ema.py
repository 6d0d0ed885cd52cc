"""A running mean of the weights, which is what is watched and kept where a recipe asks for it.

Source: Polyak and Juditsky 1992 (averaging); Tarvainen and Valpola 2017, arXiv:1703.01780 (exponential, with the early steps
counting less); the warm-up min(decay, (1 + t) / (10 + t)) is TensorFlow's `ExponentialMovingAverage`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from components.training.framework import L
from components.training.sharding import local, part_like, whole_of


class Averaged(L.Callback):
    """Keeps the mean of a model's weights that learn; buffers, such as running statistics, are taken as they are.

    It comes before whoever looks at the model or saves it: a checkpoint has both the weights and their mean.

    Args:
        model: whose weights.
        decay: how much of the mean is kept at each step.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model, self.weights, self.decay = model, _that_learn(model), decay
        self.mean: dict[str, Tensor] = {}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Begin with the weights as they are, unless a checkpoint had a mean; on the device they are on."""
        self.weights = _that_learn(self.model)  # other objects by now, where towers are split over ranks
        kept = self.mean or self.weights
        self.mean = {
            name: part_like(weight, kept[name].detach().to(weight.device, copy=True))
            for name, weight in self.weights.items()
        }

    @torch.no_grad()
    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *args: Any) -> None:
        """Take the weights of this step into the mean; not those of a step that was skipped."""
        if pl_module.skipped:
            return
        step = trainer.global_step
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(map(local, self.mean.values())), list(map(local, self.weights.values())), 1 - decay)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Have the mean whole, as the weights will be."""
        self.mean = {name: whole_of(mean) for name, mean in self.mean.items()}

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the model have the mean while the block runs, and its own weights after it."""
        own = {name: weight.detach().clone() for name, weight in self.weights.items()}
        self._set(self.mean)
        try:
            yield
        finally:
            self._set(own)

    def put(self) -> None:
        """Give the model the mean for good."""
        self.weights = _that_learn(self.model)
        self._set(self.mean)

    @torch.no_grad()
    def _set(self, values: Mapping[str, Tensor]) -> None:
        for name, weight in self.weights.items():
            local(weight).copy_(local(values[name]))

    def state_dict(self) -> dict[str, Any]:
        """Return the mean, whole; all ranks call it."""
        return {"mean": {name: whole_of(mean) for name, mean in self.mean.items()}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the mean of the run that is continued."""
        self.mean = state_dict["mean"]


def _that_learn(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
