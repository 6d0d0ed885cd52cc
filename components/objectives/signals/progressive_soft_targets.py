"""Targets that begin strict and grow softer: wrong pairs of a batch are given more and more of each row.

Source: Nie et al. 2023, arXiv:2312.00674 (seed 52), whose abstract has labels of negatives softened progressively; how is inferred,
since no more of it was there to read: Y = (1 - a) I + a W, where W spreads over the wrong pairs and a rises in a line.
Differs: rows of one sample share its part, such as several captions.
Axes: R local rows, C columns they are held against, B samples of all ranks, D shared width.
"""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import normalize

from components.contracts.directions import Directions
from components.contracts.errors import ConfigError
from components.contracts.gathered import Gathered, belong, sides
from components.contracts.method import Clock
from components.contracts.signal import Signal

Weighting = Literal["uniform", "similarity"]
"""How wrong pairs share their part: all alike, or by the softmax of their cosines, so that look-alikes have most of it."""


class ProgressiveSoftTargets(Signal):
    """Rows that sum to one.

    Args:
        most: part of each row that its wrong pairs have in the end; in [0, 1), 0 leaves all to what is right.
        ramp: share of the training's steps over which it rises from 0 in a line; 0 has it whole from the start.
        weighting: how wrong pairs share it.
        temperature: that cosines are divided by, above 0.

    Raises ConfigError for numbers out of range.
    """

    def __init__(
        self, most: float = 0.2, ramp: float = 1.0, weighting: Weighting = "uniform", temperature: float = 0.1
    ) -> None:
        super().__init__()
        if not 0 <= most < 1 or not 0 <= ramp <= 1:
            raise ConfigError(
                f"most is {most} and ramp {ramp}, but they are shares of a row and of the steps. Give numbers from 0 to 1, such as 0.2 "
                "for the first, and 1.0 to have it rise all the time."
            )
        if temperature <= 0:
            raise ConfigError(f"temperature is {temperature}, but cosines are divided by it. 0.1 is usual.")
        self.most, self.ramp, self.weighting, self.temperature = most, ramp, weighting, temperature

    @torch.no_grad()
    def forward(
        self,
        image: Float[Tensor, "B D"] | Gathered,
        text: Float[Tensor, "B2 D"] | Gathered,
        *,
        clock: Clock | None = None,
    ) -> Directions:
        """Return the targets of both directions; with `similarity` by the rows' cosines, else only by who belongs to whom.

        Args:
            clock: where training stands; asked for with a ramp.

        Raises ConfigError for a row that has no wrong pair.
        """
        pictures, texts = sides(image, text)
        share = self.share(clock)
        return Directions(
            image_to_text=self._rows(pictures, texts, share), text_to_image=self._rows(texts, pictures, share)
        )

    def share(self, clock: Clock | None) -> float:
        """Return the part of wrong pairs at this step: 0 at the first, never less than before."""
        if self.ramp == 0:
            return self.most
        if clock is None:
            raise ConfigError(
                f"ramp is {self.ramp}, but the method gives no clock, so nobody knows how far training is. Hand the clock of "
                "losses(batch, clock) on, or set ramp to 0."
            )
        return self.most * min(1.0, clock.step / max(1.0, self.ramp * clock.total_steps))

    def _rows(self, by: Gathered, to: Gathered, share: float) -> Float[Tensor, "R C"]:
        match = belong(by, to)
        if bool(match.all(1).any()):
            raise ConfigError(
                "all of the batch belongs to one row, so there is no wrong pair that could have a part of it. Set batch to 2 or more."
            )
        right = match.float() / match.sum(1, keepdim=True).clamp(min=1)
        return (1 - share) * right + share * self._spread(by, to, match)

    def _spread(self, by: Gathered, to: Gathered, match: Bool[Tensor, "R C"]) -> Float[Tensor, "R C"]:
        """Return how wrong pairs share their part; each row sums to one."""
        if self.weighting == "uniform":
            return (~match).float() / (~match).sum(1, keepdim=True)
        cosines = normalize(by.local.float(), dim=-1) @ normalize(to.all.float(), dim=-1).T
        return (cosines / self.temperature).masked_fill(match, -torch.inf).softmax(1)
