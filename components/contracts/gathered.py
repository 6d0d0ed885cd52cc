"""Rows of one kind on this rank, and on all ranks: what a loss over the whole batch is given.

Axes: R rows of this rank, B rows of all ranks, D width.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Union

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from components.contracts.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """One side of a batch. Each rank takes the loss of its own rows against all; the mean over ranks is the batch's.

    Args:
        local: the rows whose loss is taken here.
        all: the rows they are held against; the same tensor as `local` where there is one rank.
        offset: where `local` begins in `all`.
        ranks: how many have their own rows of `all`.
        owner: int [B], the sample each row of `all` belongs to; None means one row a sample, in one order on both sides.
        label: int [B], alike where rows of `all` are the same, such as two pictures of a thing or two equal captions; only
            where a contrast wants labels, and None where nothing is known. Of several labels a row int [B l].
    """

    local: Float[Tensor, "R D"]
    all: Float[Tensor, "B D"]
    offset: int = 0
    ranks: int = 1
    owner: Int[Tensor, " B"] | None = None
    label: Int[Tensor, " B ..."] | None = None

    @classmethod
    def of(cls, rows: Union[Tensor, "Gathered"]) -> "Gathered":
        """Return rows as they come, or those of one process alone."""
        return rows if isinstance(rows, Gathered) else cls(local=rows, all=rows)

    @property
    def is_whole(self) -> bool:
        """Whether all rows are here, so that one matrix of scores serves both directions."""
        return self.local is self.all

    @property
    def rows_a_rank(self) -> float:
        """Number that a sum over local rows is divided by, so that the mean over ranks is the mean over all rows."""
        return len(self.all) / self.ranks

    def map(self, change: Callable[[Tensor], Tensor]) -> "Gathered":
        """Return the same with every row changed, once where `local` and `all` are one."""
        local = change(self.local)
        return replace(self, local=local, all=local if self.is_whole else change(self.all))

    def samples(self) -> Int[Tensor, " B"]:
        """Return the sample of each row of `all`."""
        return self.owner if self.owner is not None else torch.arange(len(self.all), device=self.all.device)

    def local_samples(self) -> Int[Tensor, " R"]:
        """Return the sample of each row of `local`."""
        return self.samples()[self.offset : self.offset + len(self.local)]


def stand_in(rows: Gathered, columns: Gathered) -> Bool[Tensor, "R C"]:
    """Return which columns are as right for a local row as its own, by the labels of either side.

    So a caption is for a picture whose own captions have its label, and for a picture that has the label of its own.
    """
    found = belong(rows, columns)
    if rows.label is not None:
        alike = rows.label[rows.offset : rows.offset + len(rows.local), None] == rows.label[None]  # (R rows.all)
        found = found | (
            alike[:, columns.samples()] if rows.owner is None else _reached(alike, belong(_whole(rows), columns))
        )
    if columns.label is not None:
        alike = columns.label[:, None] == columns.label[None]  # (C C)
        found = found | (
            alike[rows.local_samples()] if columns.owner is None else _reached(belong(rows, columns), alike)
        )
    return found


def _whole(rows: Gathered) -> Gathered:
    return replace(rows, local=rows.all, offset=0)


def _reached(first: Bool[Tensor, "R K"], then: Bool[Tensor, "K C"]) -> Bool[Tensor, "R C"]:
    return first.float() @ then.float() > 0


Side = Tensor | Gathered
"""Rows of a process that is alone, float [B D], or rows that were gathered."""


def sides(image: Side, text: Side) -> tuple[Gathered, Gathered]:
    """Return both sides as losses take them; ConfigError where only row numbers say who belongs to whom, and they cannot."""
    pictures, texts = Gathered.of(image), Gathered.of(text)
    if pictures.owner is None and texts.owner is None and len(pictures.all) != len(texts.all):
        raise ConfigError(
            f"there are {len(pictures.all)} pictures and {len(texts.all)} texts, so row numbers do not say what belongs "
            "together. Give the sample of each row as its owner, as Texts and Images keep it."
        )
    return pictures, texts


def belong(rows: Gathered, columns: Gathered, block: slice = slice(None)) -> Bool[Tensor, "R C"]:
    """Return which of all columns belong to each local row of a block: those of the same sample, all captions of a picture."""
    return rows.local_samples()[block, None] == columns.samples()[None]
