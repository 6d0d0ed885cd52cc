"""What a method gets for one step.

Axes: B samples, N rows of a ragged axis, L tokens, H height, W width.
Lightning moves what has `.to()` and pins what has `.pin_memory()`; a frozen dataclass without them raises, or is
forgotten in silence.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Self

import torch
from torch import Tensor


class Movable:
    """Moves every tensor it holds, at any depth, and returns a new value."""

    __slots__ = ()

    def _map(self, change: str, *args: object, **kwargs: object) -> Self:
        def visit(value: object) -> object:
            if isinstance(value, (Tensor, Movable)):
                return getattr(value, change)(*args, **kwargs)
            if isinstance(value, Mapping):
                return {name: visit(item) for name, item in value.items()}
            return value

        names = (f.name for f in fields(self))  # type: ignore[arg-type]  # every heir is a dataclass
        return replace(self, **{name: visit(getattr(self, name)) for name in names})  # type: ignore[type-var]

    def to(self, *args: object, **kwargs: object) -> Self:
        """Return the same value on another device; takes what `Tensor.to` takes."""
        return self._map("to", *args, **kwargs)

    def pin_memory(self) -> Self:
        """Return the same value in page-locked memory."""
        return self._map("pin_memory")


@dataclass(frozen=True, slots=True, kw_only=True)
class Images(Movable):
    """Pictures of a batch.

    Args:
        pixels: float [N 3 H W] in [0, 1], not normalised; the tower normalises.
        owner: int [N], the sample each row belongs to, ascending; None means one row a sample.
    """

    pixels: Tensor
    owner: Tensor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts(Movable):
    """Texts of a batch, as token ids.

    Args:
        ids: int [N L], padded at the right.
        mask: bool [N L], True where a token is real.
        owner: int [N], the sample each row belongs to, ascending; None means one row a sample.
    """

    ids: Tensor
    mask: Tensor
    owner: Tensor | None = None

    def labels(self) -> Tensor:
        """Return int64 [N], one number for texts of the same tokens, however wide they are padded; others meet once in 2**64."""
        place = torch.arange(self.ids.shape[1], device=self.ids.device)
        mixed = (self.ids.long() + 1) * 0x1E3779B97F4A7C15 + (place + 1) * 0x3F58476D1CE4E5B9
        for _ in range(2):
            mixed = (mixed ^ (mixed >> 29)) * 0x14D049BB133111EB
        return (mixed * self.mask).sum(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans(Movable):
    """Where concepts stand in texts of a batch: S stretches of tokens, none, one or several of a text.

    Args:
        row: int [S], the row of the texts' ids, ascending.
        first: int [S], the first token, counted from that of the start.
        last: int [S], the token behind the last.
    """

    row: Tensor
    first: Tensor
    last: Tensor

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch(Movable):
    """Everything a method gets for one step.

    Args:
        keys: the samples, in order.
        images: view name -> pictures; `main` is the plain one.
        texts: kind -> texts; `caption` is the plain one.
        ids: name -> int [B], such as the concept of each sample, or [B l], such as its clusters.
        said: name -> float [B D], what others made of the samples before: `image0` and `text0` are the first teacher's rows, whose
            products are its logits.
        spans: kind of texts -> where concepts stand in them; only where the recipe asks for it.
    """

    keys: tuple[str, ...]
    images: Mapping[str, Images]
    texts: Mapping[str, Texts]
    ids: Mapping[str, Tensor] = field(default_factory=dict)
    said: Mapping[str, Tensor] = field(default_factory=dict)
    spans: Mapping[str, Spans] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.keys)


def stack_ids(values: list[int]) -> Tensor:
    """Return int64 [B], the form in which `Batch.ids` keeps a name's column."""
    return torch.tensor(values, dtype=torch.int64)
