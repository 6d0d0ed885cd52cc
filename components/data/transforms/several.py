"""Several views of each picture under one name of a batch, such as two strong ones beside the plain one.

Axes: B pictures, K views of each, C channels, S pixels of the kept pictures.
"""

from dataclasses import dataclass

import torch
from jaxtyping import UInt8
from torch import Tensor

from components.contracts.batch import Images, Movable
from components.contracts.errors import ConfigError
from components.data.transforms.views import Drawn, Views


@dataclass(frozen=True, slots=True, kw_only=True)
class Several:
    """What each picture goes through, so many times.

    Args:
        views: makes each of them.
        count: K.

    Raises ConfigError for fewer than one.
    """

    views: Views
    count: int = 1

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigError(
                f"count is {self.count}, but a view is shown once or more. Leave count out for 1, or the view."
            )

    def drawn(self, samples: int, seed: int, part: slice) -> "SeveralDrawn":
        """Return what was drawn for a part of so many samples; it is the same whatever other views a batch has."""
        of_all = self.views.drawn(samples * self.count, torch.Generator().manual_seed(seed))
        return SeveralDrawn(drawn=of_all.part(slice(part.start * self.count, part.stop * self.count)), several=self)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeveralDrawn(Movable):
    """Views that are still to be shown.

    Args:
        drawn: for each of B K views, a picture's one after the other.
        several: what shows them.
    """

    drawn: Drawn
    several: Several

    def shown(self, pictures: UInt8[Tensor, "B C S S"]) -> Images:
        """Return the views, B K rows whose owners are the pictures; without owners where each has one."""
        count = self.several.count
        if count == 1:
            return Images(pixels=self.several.views.show(pictures, self.drawn))
        owner = torch.arange(len(pictures), device=pictures.device).repeat_interleave(count)
        return Images(pixels=self.several.views.show(pictures.repeat_interleave(count, 0), self.drawn), owner=owner)
