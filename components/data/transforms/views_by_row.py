"""Views that are of one kind for some pictures of a selection and of another for the rest, such as what is learnt from again, as it was learnt from before."""

from dataclasses import fields
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from components.contracts.errors import ConfigError
from components.data.transforms.draws import Draws
from components.data.transforms.views import Drawn, Views


class ViewsByRow(Views):
    """Two kinds of views by which picture it is; all pictures draw from both, so that none changes what another gets.

    Args:
        views: of the rest.
        others: of those that are named.
        named: of each row of the selection, whether it is.

    Raises ConfigError for views of different sizes.
    """

    def __init__(self, views: Views, others: Views, named: Bool[Tensor, "M"]) -> None:
        if views.pixels != others.pixels:
            raise ConfigError(
                f"views are {views.pixels} and {others.pixels} pixels a side, but pictures of one batch have one size. Make both alike."
            )
        super().__init__(
            pixels=views.pixels, erase=max(views.erase, others.erase), sketched=max(views.sketched, others.sketched),
            outlined=0.0 if max(views.outlined, others.outlined) == 0 else 1 - max(views.sketched, others.sketched),
        )  # fmt: skip
        self.views, self.others, self.named = views, others, named

    def drawn(self, count: int, draw: Draws) -> Drawn:
        """Raise TypeError: which pictures these are is to be said."""
        raise TypeError("two kinds of views draw for rows of a selection: drawn_of")

    def drawn_of(self, rows: Int[Tensor, "N"], draw: Draws) -> Drawn:
        """Return what happens to the pictures of these rows."""
        one, other = (views.drawn(len(rows), draw) for views in (self.views, self.others))
        named = self.named[rows]

        def of(name: str) -> Tensor | None:
            mine, theirs = getattr(one, name), getattr(other, name)
            if mine is None and theirs is None:
                return None
            mine, theirs = (_none(theirs) if mine is None else mine), (_none(mine) if theirs is None else theirs)
            return torch.where(named.view(-1, *[1] * (mine.ndim - 1)), theirs, mine)

        found: dict[str, Any] = {field.name: of(field.name) for field in fields(one)}
        return Drawn(**found)


def _none(like: Tensor) -> Tensor:
    """Return what does nothing to any picture: not flipped, not blurred, not solarised."""
    return torch.zeros_like(like)
