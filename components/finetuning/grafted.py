"""Weights that are something and what is added to it: put in before tuning, and taken up into plain weights after it.

By torch's parametrizations: whoever asks a module for its weight gets the sum, and a checkpoint has its parts.
"""

from collections.abc import Callable, Iterator

from torch import Tensor, nn
from torch.nn.utils import parametrize

Graft = Callable[[Tensor], nn.Module]
"""What makes, of a weight, the module that is given the trained part and returns the weight."""


def graft(module: nn.Module, name: str, made: nn.Module) -> None:
    """Have the weight of that name come from `made`; what was there is called `parametrizations.<name>.original` from now on."""
    parametrize.register_parametrization(module, name, made)


def take_up(model: nn.Module) -> None:
    """Make plain weights of all that were grafted, of the values and names they had."""
    for module in list(model.modules()):
        if parametrize.is_parametrized(module):
            for name in list(module.parametrizations):  # type: ignore[arg-type]  # a ModuleDict
                parametrize.remove_parametrizations(module, name, leave_parametrized=True)


def matrices(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield name and module of each linear map and convolution."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            yield name, module
