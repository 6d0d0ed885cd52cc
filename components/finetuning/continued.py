"""Going on with training: every weight, drawn back to nothing, best by the optimizer and at the rate that the start was trained by; what holds the model is what it learns from.

Source: Garg et al. 2023, arXiv:2310.16226 (TiC-CLIP: training that goes on from the last weights while old data is replayed does nearly what training
on all data anew does, for a part of its cost). Differs: new data is one person's own, and how much of a step is old is a share; batch norms stay as they
are, as of each way to tune. Where nobody says what the start was trained by, it is AdamW.
"""

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from components.finetuning.freeze import Freeze
from components.finetuning.strategy import ALPHAS, Strategy
from components.training.numbers import Optimisation

UNKNOWN = Optimisation(optimizer="adamw", lr=5.0e-4, weight_decay=0.1, warmup=0.1)


class Continued(Strategy):
    """Trains all but batch norms; arguments as of Strategy, of which `optimisation` is best the start's own. Without general pictures beside one's own it forgets most."""

    def __init__(
        self, share: float = 0.25, optimisation: Optimisation | None = None, alphas: tuple[float, ...] = ALPHAS
    ) -> None:
        super().__init__(share, optimisation or UNKNOWN, alphas)

    def prepare(self, model: nn.Module) -> Freeze:
        """Return the batch norms as what stays."""
        trains = [
            f"{name}.{own}" if name else own
            for name, part in model.named_modules()
            if not isinstance(part, _BatchNorm)
            for own, _ in part.named_parameters(recurse=False)
        ]
        return Freeze(model, trains)
