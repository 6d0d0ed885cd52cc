"""A classifier of very many classes: each rank has some of the rows, and a step looks at some of those.

Source: An et al. 2022, arXiv:2203.15565 (Partial FC: all rows that a batch is of, and some of the others, drawn anew each step; the rest
stay). Differs: rows are drawn over all ranks, so that any number of them draws the same; AdamW counts the steps of each row.
Golden: torch.optim.AdamW, where every row is looked at.
Axes: K classes, k rows of this rank, D width, B pictures of all ranks, l labels of each, C rows looked at.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.distributed as dist
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import normalize

from components.contracts.errors import ConfigError
from components.objectives.over_ranks import world

DRAWN_STD = 0.01  # of a row's numbers at the start
_KEPT = ("rows", "first", "second", "times")


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What a step sees of the classes.

    Args:
        logits: scaled cosines of all pictures with this rank's rows, as many of these as were drawn.
        is_positive: which rows are of the picture's labels.
        share: rows looked at over all rows, of all ranks.
    """

    logits: Float[Tensor, "B C"]
    is_positive: Bool[Tensor, "B C"]
    share: float


class PartialFC(nn.Module):
    """One learnt row a class, held against features by scaled cosine.

    The rows are neither parameters nor buffers: no optimizer steps them, DDP neither sends nor averages them, and a
    checkpoint of the model is as it was. `step` moves what was looked at, `spread` leaves a rank its part, `whole` and `take` are what is
    saved, so that another number of ranks can go on from it.

    Args:
        classes: K.
        width: D.
        ratio: of the rows that a step looks at, in (0, 1]; every row that the batch is of is among them, whatever it is, and one other.
        scale: of the cosines.

    Raises ConfigError for numbers out of range.
    """

    def __init__(self, classes: int, width: int, ratio: float = 1.0, scale: float = 64.0) -> None:
        super().__init__()
        if classes < 2:
            raise ConfigError(f"classes is {classes}, but a class has others to be told from. Give 2 or more.")
        if not 0 < ratio <= 1:
            raise ConfigError(
                f"ratio is {ratio:g}, but it is a share of the rows. Give more than 0 and at most 1, such as 0.1."
            )
        if not scale > 0:
            raise ConfigError(f"scale is {scale:g}, but cosines are multiplied with it. Give more than 0; 64 is usual.")
        self.classes, self.width, self.ratio, self.scale = classes, width, ratio, scale
        self.begin, self.place = 0, (0, 1)  # of this rank's rows the first; the rank, and how many there are
        self.rows = torch.randn(classes, width) * DRAWN_STD
        self.first, self.second = torch.zeros_like(self.rows), torch.zeros_like(self.rows)
        self.times = torch.zeros(classes)
        self._at = torch.zeros(0, dtype=torch.int64)
        self._active: Tensor | None = None

    def forward(self, features: Float[Tensor, "B D"], labels: Int[Tensor, "B l"], seed: int = 0) -> Looked:
        """Return the cosines with the rows that are looked at, in float32 whatever the towers compute in.

        Of the features the gradient is that of this rank's rows; where they are gathered, ranks add theirs up and take
        the mean over ranks later, so it is multiplied with the number of ranks.

        Args:
            features: of all ranks.
            labels: of all ranks, the same on each; -1 for none.
            seed: of the draw, the same on each rank.

        Raises ConfigError for a label that is no class, and where every class is one of a picture's own.
        """
        chosen = self.chosen(labels, seed)
        ours = (chosen >= self.begin) & (chosen < self.begin + len(self.rows))
        self._at = (chosen[ours] - self.begin).to(self.rows.device)
        self._active = self.rows[self._at].requires_grad_(torch.is_grad_enabled())
        ranks = world()
        if ranks > 1 and features.requires_grad:
            features = features.view_as(features)
            features.register_hook(lambda gradient: gradient * ranks)
        with torch.autocast(features.device.type, enabled=False):
            cosines = normalize(features.float(), dim=1) @ normalize(self._active, dim=1).T
            logits = self.scale * cosines.clamp(-1.0, 1.0)
        positive = _positive(labels.to(logits.device), self._at + self.begin)
        return Looked(logits=logits, is_positive=positive, share=len(chosen) / self.classes)

    def chosen(self, labels: Int[Tensor, "B l"], seed: int) -> Int[Tensor, "c"]:
        """Return the classes that a step looks at, over all ranks, ascending: all of the labels, and others drawn evenly."""
        if labels.shape[1] >= self.classes:
            raise ConfigError(
                f"pictures have {labels.shape[1]} labels and there are {self.classes} classes, so nothing is left that a picture is not. Give "
                "fewer labels a picture, or more classes."
            )
        own = labels.cpu().unique()
        own = own[own >= 0]
        if len(own) and int(own[-1]) >= self.classes:
            raise ConfigError(
                f"a picture has the label {int(own[-1])}, but there are {self.classes} classes, counted from 0. Give the method as many as "
                "curation made clusters, or more."
            )
        count = min(self.classes, max(len(own) + 1, math.ceil(self.ratio * self.classes)))
        if count == self.classes:
            return torch.arange(self.classes)
        order = torch.rand(self.classes, generator=torch.Generator().manual_seed(seed))
        order[own] = 2.0  # above all that is drawn
        return order.topk(count).indices.sort().values

    @torch.no_grad()
    def step(self, lr: float, betas: tuple[float, float], eps: float, weight_decay: float) -> None:
        """Move the rows that the last step looked at, as AdamW does; all others, and their moments, stay as they are to the last bit."""
        active, self._active = self._active, None
        if active is None or active.grad is None:
            return
        at, gradient = self._at, active.grad
        self.times[at] += 1
        times = self.times[at, None]
        first = self.first[at].lerp(gradient, 1 - betas[0])
        second = self.second[at].lerp(gradient.square(), 1 - betas[1])
        self.first[at], self.second[at] = first, second
        size = (second / (1 - betas[1] ** times)).sqrt() + eps
        self.rows[at] = active * (1 - lr * weight_decay) - lr * first / (1 - betas[0] ** times) / size

    def gradient(self) -> Float[Tensor, "k D"]:
        """Return that of the last step for each row of this rank, 0 where it was not looked at."""
        whole = torch.zeros_like(self.rows)
        if self._active is not None and self._active.grad is not None:
            whole[self._at] = self._active.grad
        return whole

    def spread(self, rank: int, ranks: int) -> None:
        """Leave this rank its part, the first ones a row more where they do not split evenly; nothing where it has that already."""
        if self.place == (rank, ranks):
            return
        self.take({name: getattr(self, name) for name in _KEPT}, rank, ranks)

    def whole(self) -> dict[str, Tensor]:
        """Return the rows of all ranks with their moments, on the CPU; all ranks call it."""
        if self.place[1] == 1:
            return {name: getattr(self, name).cpu().clone() for name in _KEPT}
        sizes = [_part(self.classes, rank, self.place[1])[1] for rank in range(self.place[1])]
        return {name: _gathered(getattr(self, name), sizes).cpu() for name in _KEPT}

    def take(self, whole: Mapping[str, Tensor], rank: int, ranks: int) -> None:
        """Take this rank's part of what `whole` gave, on any number of ranks; ConfigError for another size."""
        if whole["rows"].shape != (self.classes, self.width):
            raise ConfigError(
                f"there are {tuple(whole['rows'].shape)} rows, and not {(self.classes, self.width)}: they are of other clusters or another model. Give the "
                "recipe the numbers they were trained with, or begin anew."
            )
        self.begin, count = _part(self.classes, rank, ranks)
        for name in _KEPT:
            part = whole[name][self.begin : self.begin + count]
            setattr(self, name, part.to(self.rows.device, copy=True))
        self.place = (rank, ranks)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "PartialFC":
        """Move the rows where the module is moved."""
        super()._apply(fn, recurse)
        for name in _KEPT:
            setattr(self, name, fn(getattr(self, name)))
        return self


def _part(classes: int, rank: int, ranks: int) -> tuple[int, int]:
    """Return the first row of a rank, and how many it has."""
    each, more = divmod(classes, ranks)
    return rank * each + min(rank, more), each + (rank < more)


def _gathered(part: Tensor, sizes: list[int]) -> Tensor:
    """Return the parts of all ranks, one after the other."""
    most = max(sizes)
    padded = torch.cat([part, part.new_zeros(most - len(part), *part.shape[1:])])
    rows = padded.new_empty(len(sizes) * most, *part.shape[1:])
    dist.all_gather_into_tensor(rows, padded)
    return torch.cat([block[:size] for block, size in zip(rows.split(most), sizes, strict=True)])


def _positive(labels: Int[Tensor, "B l"], classes: Int[Tensor, "C"]) -> Bool[Tensor, "B C"]:
    """Return which classes, ascending, are among a picture's labels, without a number for each of B x l x C."""
    found = torch.zeros(len(labels), len(classes), dtype=torch.bool, device=labels.device)
    if len(classes):
        at = torch.searchsorted(classes, labels.contiguous()).clamp(max=len(classes) - 1)
        row, column = (classes[at] == labels).nonzero(as_tuple=True)
        found[row, at[row, column]] = True
    return found
