"""What tuning may add to a model that its weights cannot take up: a part in the place of one that was there, with a ratio that says how much it counts.

At ratio 0 the model is what it was, so that weights between the start and the tuned ones are those of a ratio between. Names of tensors that
were there stay, and what is added has names of its own.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

RATIO = "ratio"


class Grown:
    """Base of such parts, beside the class of the part that was there. Its buffer `ratio`, a float [], is kept with the weights."""

    ratio: Tensor

    def plain(self) -> nn.Module:
        """Return the part that was there, with its weights."""
        raise NotImplementedError(f"{type(self).__name__} is Grown without plain(); write what it was made of.")

    def described(self, part: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the `class_path` and `init_args` of it, given those of the part that was there; None where nobody described that."""
        raise NotImplementedError(
            f"{type(self).__name__} is Grown without described(part); write its class and arguments."
        )

    def own(self) -> dict[str, Any]:
        """Return the ratio as model.json has it; the weights have it to the last bit."""
        return {RATIO: round(float(self.ratio), 6)}


def grown(model: nn.Module) -> dict[str, Grown]:
    """Return the grown parts of a model, by the names of their places."""
    return {name: part for name, part in model.named_children() if isinstance(part, Grown)}


def shrink(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Take out, in place, the grown parts that a model of these weights has not; what was there stays."""
    for name, part in grown(model).items():
        if f"{name}.{RATIO}" not in weights:
            setattr(model, name, part.plain())


def described_as(model: nn.Module, described: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `class_path` and `init_args` of a model, given those of what it was before it grew."""
    arguments = dict(described.get("init_args") or {})
    for name, part in grown(model).items():
        arguments[name] = part.described(arguments.get(name))
    return {**described, "init_args": arguments} if grown(model) else dict(described)


def begun(start: Mapping[str, Tensor], tuned: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the start by the names of a model that grew: what was added is as it was tuned, and counts for nothing.

    Of a model that did not grow it is the start.
    """
    added = {name: value for name, value in tuned.items() if name not in start}
    if not any(name.endswith(f".{RATIO}") for name in added):
        return dict(start)
    return {
        name: torch.zeros_like(value) if name.endswith(f".{RATIO}") and name in added else start.get(name, value)
        for name, value in tuned.items()
    }
