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

AROUND = ("image_projection.", "text_projection.", "logit_")


class LastLayers(Strategy):
    """Trains the last `layers` of each tower, the projections and the scale of the logits; arguments as of Strategy, and

    Args:
        layers: of each tower, 1 or more; a tower has them numbered, as transformers and residual nets have.
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
        """Return what lies below the last layers as what stays, and batch norms with it; ConfigError for a tower without layers."""
        norms = tuple(f"{name}." for name, part in model.named_modules() if isinstance(part, _BatchNorm))
        names = [name for name, _ in model.named_parameters() if not norms or not name.startswith(norms)]
        found: dict[str, set[int]] = {}
        for name in names:
            if match := _LAYER.match(name):
                found.setdefault(match["chain"], set()).add(int(match["number"]))
        for tower in dict.fromkeys(f"{name.split('.')[0]}." for name in names if not name.startswith(AROUND)):
            if not any(chain.startswith(tower) for chain in found):
                raise ConfigError(
                    f"{tower[:-1]} of {type(model).__name__} has no layers that are numbered in its names, such as blocks.0, so there are no last ones, "
                    "and nothing of it would train. Tune the whole, components.finetuning.whole.Whole, or by low rank, "
                    "components.finetuning.lora.Lora."
                )
        last = {(chain, number) for chain, numbers in found.items() for number in sorted(numbers)[-self.layers :]}
        trains = [
            name
            for name in names
            if name.startswith(AROUND)
            or ((match := _LAYER.match(name)) and (match["chain"], int(match["number"])) in last)
        ]
        return Freeze(model, tuple(trains))
