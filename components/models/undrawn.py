"""A model without first weights, for whoever reads all of them next: drawing 151 million numbers takes a CPU-second."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

FILLS, DRAWING = "torch.nn.init", ("kaiming_uniform_", "normal_", "uniform_")
DRAWS = (Tensor.normal_, Tensor.uniform_, Tensor.erfinv_)  # the last is what makes a normal draw of a uniform one


class _Undrawn(TorchFunctionMode):
    """Leaves a tensor as it is where it would be filled with draws."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:  # fmt: skip
        if func in DRAWS or (getattr(func, "__module__", "") == FILLS and func.__name__ in DRAWING):
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


@contextmanager
def undrawn() -> Iterator[None]:
    """Within it, a module that is built holds whatever lay in memory: read every weight before it is asked for anything."""
    with _Undrawn():
        yield
