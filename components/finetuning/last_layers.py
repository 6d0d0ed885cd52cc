"""The last layers of both towers train, and what lies below stays.

Source: Lee et al. 2022, arXiv:2210.11466, section 2 (which block is tuned matters more than how many), of which the usual choice, the last, is taken
here; each tower's projection and the scale of the logits train along.
"""

import re

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from components.contracts.errors import ConfigError
from components.finetuning.freeze import Freeze
from components.finetuning.strategy import ALPHAS, Strategy
from components.training.numbers import Optimisation

_LAYER = re.compile(r"^(?P<chain>(?:.*?\.)?(?:blocks|layers|layer|stages|resblocks)\.?)(?P<number>\d+)\.")


class LastLayers(Strategy):
    """Trains the last `layers` of each tower, the projections and the scale of the logits; arguments as of Strategy, and

    Args:
        layers: of each tower, 1 or more.
    """

    def __init__(
        self,
        share: float = 0.25,
        optimisation: Optimisation | None = None,
        alphas: tuple[float, ...] = ALPHAS,
        layers: int = 1,
    ) -> None:
        super().__init__(share, optimisation, alphas)
        if layers < 1:
            raise ConfigError(f"layers is {layers}, but the last one trains at least. Give 1 or more.")
        self.layers = layers

    def prepare(self, model: nn.Module) -> Freeze:
        """Return what lies below the last layers as what stays, and batch norms with it; ConfigError for a model without layers."""
        norms = tuple(f"{name}." for name, part in model.named_modules() if isinstance(part, _BatchNorm))
        names = (
            [name for name, _ in model.named_parameters() if not name.startswith(norms)]
            if norms
            else [name for name, _ in model.named_parameters()]
        )
        found: dict[str, set[int]] = {}
        for name in names:
            if match := _LAYER.match(name):
                found.setdefault(match["chain"], set()).add(int(match["number"]))
        if not found:
            raise ConfigError(
                f"{type(model).__name__} has no layers by its names, so there are no last ones. Tune the whole, or by low rank: components.finetuning.lora.Lora."
            )
        last = {(chain, number) for chain, numbers in found.items() for number in sorted(numbers)[-self.layers :]}
        trains = [
            name
            for name in names
            if name.startswith(("image_projection.", "text_projection.", "logit_"))
            or ((match := _LAYER.match(name)) and (match["chain"], int(match["number"])) in last)
        ]
        return Freeze(model, tuple(trains))
