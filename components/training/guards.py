"""When a training goes wrong: a loss that leaps, features that become one, troubles without end.

Sources: median and median deviation as running bounds, Hampel 1974, "The influence curve and its role in robust estimation";
effective rank, Roy and Vetterli 2007. What is done about it is `guarding`'s; here are only numbers in and numbers out.
Axes: N rows, D shared width.
"""

import math
from collections import deque
from collections.abc import Iterable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

LEAST_VARIANCE = 1e-3  # of unit rows: their mean cosine is above 0.999
LEAST_RANK = 1.5  # dimensions; all rows on one line
_TO_DEVIATION = 1.4826  # of a normal distribution, from the median distance
_LEAST_SHARE = 0.01  # of the median: losses that hardly move do not make a spike of every breath


class Spikes:
    """Tells how far a loss is above the running median of the ones before it.

    Args:
        window: losses that are kept.
    """

    def __init__(self, window: int) -> None:
        self.kept: deque[float] = deque(maxlen=window)

    def deviations(self, loss: float) -> float:
        """Return how many deviations a loss is above the median; 0 while less than half a window is known."""
        assert self.kept.maxlen is not None
        if len(self.kept) < self.kept.maxlen / 2:
            return 0.0
        median = _median(self.kept)
        spread = _median(abs(kept - median) for kept in self.kept)
        return (loss - median) / max(_TO_DEVIATION * spread, _LEAST_SHARE * abs(median), 1e-12)

    def keep(self, loss: float) -> None:
        """Take a loss among those that the next ones are compared with."""
        self.kept.append(loss)


def _median(numbers: Iterable[float]) -> float:
    """Return what `statistics.median` does, in a tenth of its time: it is asked twice a step."""
    ordered = sorted(numbers)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


class Lasting:
    """Tells when a state has lasted: once, at the look that makes it `patience` in a row.

    Args:
        patience: looks in a row.
    """

    def __init__(self, patience: int) -> None:
        self.patience, self.looks = patience, 0

    def at_last(self, now: bool) -> bool:
        """Take one look; return whether the state has just lasted long enough."""
        self.looks = self.looks + 1 if now else 0
        return self.looks == self.patience


class Tries:
    """Counts troubles, so that a training does not struggle without end.

    Args:
        most: that are borne within `within` steps.
    """

    def __init__(self, most: int, within: int) -> None:
        self.most, self.within = most, within
        self.steps: set[int] = set()

    def spent(self, step: int) -> bool:
        """Count a trouble at a step, a step once; return whether there were too many close to it."""
        self.steps.add(step)
        return sum(abs(step - other) < self.within for other in self.steps) > self.most


def centred(rows: Float[Tensor, "N D"]) -> Float[Tensor, "N D"]:
    """Return rows of unit length less their mean."""
    unit = normalize(rows.float(), dim=-1)
    return unit - unit.mean(0)


def effective_rank(centred: Float[Tensor, "N D"]) -> float:
    """Return exp of the entropy of the singular values: in how many dimensions rows lie, 0 to D."""
    values = torch.linalg.svdvals(centred)
    total = float(values.sum())
    if total < 1e-6:
        return 0.0
    shares = [share for share in (values / total).tolist() if share > 0]
    return math.exp(-sum(share * math.log(share) for share in shares))


def least_rank(centred: Float[Tensor, "N D"]) -> float:
    """Return what the effective rank is at least, without a decomposition: (sum of squared singular values)^2 / sum of their fourth powers.

    By Hoelder's inequality it is at most (sum)^2 / sum of squares, whose logarithm is the entropy of order 2, and that is at most Shannon's.
    """
    rows, width = centred.shape
    gram = centred @ centred.T if rows < width else centred.T @ centred
    return float(gram.trace() ** 2 / gram.square().sum().clamp(min=1e-30))


def collapsed(embedded: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Return the sides whose rows have nearly one direction or lie on a line, each with its numbers; () where none has.

    Three rows are needed to tell.
    """
    found = []
    for name, rows in embedded.items():
        if len(rows) < 3 or not bool(torch.isfinite(rows).all()):
            continue
        about = centred(rows)
        spread = float(about.square().sum()) / len(about)  # the summed variance, 0 to 1: 0 where all have one direction
        if spread < LEAST_VARIANCE or (least_rank(about) < LEAST_RANK and effective_rank(about) < LEAST_RANK):
            found.append(f"{name} (variance {spread:.2g}, effective rank {effective_rank(about):.2f})")
    return tuple(found)


def finite(gradients: list[Tensor]) -> bool:
    """Return whether all numbers of all gradients are finite; True where there are none. By what torch's GradScaler asks, at a scale of one.

    A third of the time that their norms take, and gradients so large that a norm of them is not finite are none the less.
    """
    if not gradients:
        return True
    found = gradients[0].new_zeros((), dtype=torch.float32)
    torch._amp_foreach_non_finite_check_and_unscale_(gradients, found, torch.ones_like(found))
    return not found.item()
