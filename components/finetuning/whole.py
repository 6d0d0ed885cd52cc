"""Full tuning that is drawn back to where it began: L2-SP, with rates that fall by layer.

Sources: Li et al. 2018, arXiv:1802.01483, section 3 (weights decay towards those of the start and not towards 0); Clark et al. 2020,
arXiv:2003.10555 (rates by layer), as of Optimisation. Differs: the pull is decoupled, as AdamW's decay is, on matrices and tables alone, and as strong as
`weight_decay`; batch norms stay as they are, since statistics of a small set are poor.
"""

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from components.finetuning.freeze import Freeze
from components.finetuning.grafted import graft, take_up
from components.finetuning.strategy import ALPHAS, Strategy
from components.training.numbers import Optimisation

CAREFUL = Optimisation(optimizer="adamw", lr=1.0e-4, weight_decay=0.1, warmup=0.1, layer_decay=0.75)


class Around(nn.Module):
    """A weight as it was, and how far it has gone from there, which is what trains and decays.

    Args:
        start: the weight.
    """

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        self.register_buffer("start", start.detach().clone())
        self.start: Tensor

    def forward(self, gone: Tensor) -> Tensor:
        """Return the weight."""
        return self.start + gone

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Return how far a weight is from the start."""
        return weight - self.start


class Whole(Strategy):
    """Trains both towers, projections and the scale of the logits; arguments as of Strategy. `optimisation.weight_decay` is the pull back."""

    def __init__(
        self, share: float = 0.25, optimisation: Optimisation | None = None, alphas: tuple[float, ...] = ALPHAS
    ) -> None:
        super().__init__(share, optimisation or CAREFUL, alphas)

    def prepare(self, model: nn.Module) -> Freeze:
        """Have matrices and tables begin at no distance, and return the batch norms as what stays."""
        trains = []
        for name, part in list(model.named_modules()):
            if isinstance(part, _BatchNorm):
                continue
            for own, weight in list(part.named_parameters(recurse=False)):
                called = f"{name}.{own}" if name else own
                if weight.ndim < 2:
                    trains.append(called)
                    continue
                graft(part, own, Around(weight))
                trains.append(f"{name}.*{own}*" if name else f"*{own}*")
        return Freeze(model, tuple(trains))

    def merge(self, model: nn.Module) -> None:
        """Take up how far each weight has gone."""
        take_up(model)
