"""A batch larger than memory: encoded in parts without gradient, contrasted whole, and encoded again part by part.

Source: Gao et al. 2021, arXiv:2101.06983, section 3.2. Differs: it stands behind the model's own verbs, so that any method
that contrasts what they return needs no line of its own, and draws of dropout are the same in both passes.
Golden: the plain step on the whole batch, gradients, float32, rtol 1e-5.
Axes: N rows.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from components.contracts.batch import Images, Texts
from components.contracts.encoded import Encoded
from components.contracts.errors import ConfigError

VERBS = ("encode_image", "encode_text")
_Rows = Images | Texts
_Encode = Callable[..., Encoded]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Rows that are encoded together: how, and from which state of the random numbers."""

    encode: Callable[[], Encoded]
    random: tuple[Tensor, ...]
    whole: Encoded
    at: slice


class GradCache:
    """Stands behind the verbs of a model while a method computes its losses, and gives its towers their gradient afterwards.

    Args:
        model: answers at least one of VERBS.
        micro_batch: rows that are encoded at once.

    Raises ConfigError, by name, for a batch norm, whose statistics would be those of a part, and for a model without verbs.
    """

    def __init__(self, model: nn.Module, micro_batch: int) -> None:
        self.model, self.micro_batch = model, micro_batch
        self.parts: list[Part] = []
        self.verbs = [verb for verb in VERBS if hasattr(model, verb)]
        if not self.verbs:
            raise ConfigError(
                f"micro_batch is {micro_batch}, but {type(model).__name__} has none of {', '.join(VERBS)}, so nothing can be "
                "encoded in parts. Set micro_batch to 0 in the scale."
            )
        for name, part in model.named_modules():
            if isinstance(part, _BatchNorm) and part.training:
                raise ConfigError(
                    f"micro_batch is {micro_batch}, but {name} is a {type(part).__name__}: its statistics would be those of "
                    "the parts, and the batch no longer one. Choose a net without batch norm in the recipe, such as one with "
                    "layer or group norm, or set micro_batch to 0 in the scale."
                )

    @contextmanager
    def caching(self) -> Iterator[None]:
        """Let the model's verbs encode in parts while the block runs."""
        self.parts.clear()
        for verb in self.verbs:
            setattr(self.model, verb, partial(self._in_parts, getattr(self.model, verb)))
        try:
            yield
        finally:
            for verb in self.verbs:
                delattr(self.model, verb)

    def replay(self) -> None:
        """Encode every part again, with gradient, and lead back what the loss said of its rows."""
        for part in self.parts:
            with _drawing_from(part.random):
                again = part.encode()
            values, gradients = [], []
            for value, whole in zip(_values(again), _values(part.whole), strict=True):
                if whole.grad is not None and value.requires_grad:  # not of a side that is locked
                    values.append(value)
                    gradients.append(whole.grad[part.at])
            if values:
                torch.autograd.backward(values, gradients)
        self.parts.clear()

    def _in_parts(self, encode: _Encode, rows: _Rows, *args: Any, **kwargs: Any) -> Encoded:
        """Return what the verb returns for all rows, its numbers leaves of the graph."""
        learns = torch.is_grad_enabled()
        calls, states, given = [], [], []
        for at in _slices(_count(rows), self.micro_batch):
            calls.append((partial(encode, _part(rows, at), *args, **kwargs), at))
            states.append(_random())
            with torch.no_grad():
                given.append(calls[-1][0]())
        whole = _joined(given)
        if learns:
            for value in _values(whole):
                value.requires_grad_()
            for (call, at), state in zip(calls, states, strict=True):
                self.parts.append(Part(encode=call, random=state, whole=whole, at=at))
        return whole


def _values(encoded: Encoded) -> list[Tensor]:
    """Return what a gradient can come from, in an order of its own."""
    found = [getattr(encoded, field.name) for field in fields(encoded) if field.name != "hooks"]
    found += [encoded.hooks[name] for name in sorted(encoded.hooks)]
    return [value for value in found if isinstance(value, Tensor) and value.is_floating_point()]


def _joined(parts: list[Encoded]) -> Encoded:
    """Return the parts as one: rows below each other, and what is no row as the first has it."""
    first = parts[0]
    rows = [field.name for field in fields(first) if isinstance(getattr(first, field.name), Tensor)]
    joined: dict[str, Any] = {name: torch.cat([getattr(part, name) for part in parts]) for name in rows}
    hooks = {name: torch.cat([part.hooks[name] for part in parts]) for name in first.hooks}
    return replace(first, hooks=hooks, **joined)


def _part(rows: _Rows, at: slice) -> _Rows:
    given = {field.name: getattr(rows, field.name) for field in fields(rows)}
    cut: dict[str, Any] = {name: value[at] for name, value in given.items() if isinstance(value, Tensor)}
    return replace(rows, **cut)


def _count(rows: _Rows) -> int:
    return len(next(value for field in fields(rows) if isinstance(value := getattr(rows, field.name), Tensor)))


def _slices(count: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def _random() -> tuple[Tensor, ...]:
    """Return the state of the random numbers, of the GPU in use too."""
    return (torch.get_rng_state(), *((torch.cuda.get_rng_state(),) if torch.cuda.is_available() else ()))


@contextmanager
def _drawing_from(state: tuple[Tensor, ...]) -> Iterator[None]:
    """Draw as at that state while the block runs, and go on afterwards as if nothing had been drawn."""
    before = _random()
    _draw_from(state)
    try:
        yield
    finally:
        _draw_from(before)


def _draw_from(state: tuple[Tensor, ...]) -> None:
    torch.set_rng_state(state[0])
    if len(state) > 1:
        torch.cuda.set_rng_state(state[1])
