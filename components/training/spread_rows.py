"""Rows of a classifier that ranks have parts of: divided before training, whole in a checkpoint, so that any number of ranks goes on."""

from torch import Tensor

from components.contracts.method import Method
from components.objectives.partial_fc import PartialFC
from components.training.framework import L


class SpreadRows(L.Callback):
    """Does so for every PartialFC of a method; nothing for a method that has none.

    Args:
        method: that has them.
    """

    def __init__(self, method: Method) -> None:
        self.parts = {name: part for name, part in method.named_modules() if isinstance(part, PartialFC)}
        self.kept: dict[str, dict[str, Tensor]] = {}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Leave this rank its part of the rows as drawn, which all ranks draw alike, or of those of the checkpoint."""
        for name, part in self.parts.items():
            if name in self.kept:
                part.take(self.kept[name], trainer.global_rank, trainer.world_size)
            else:
                part.spread(trainer.global_rank, trainer.world_size)

    def state_dict(self) -> dict[str, dict[str, Tensor]]:
        """Return the rows of all ranks; all of them call it."""
        return {name: part.whole() for name, part in self.parts.items()}

    def load_state_dict(self, state_dict: dict[str, dict[str, Tensor]]) -> None:
        """Take over those of the run that is continued."""
        self.kept = state_dict
