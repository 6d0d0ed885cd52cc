"""Which wrong pairs of a batch are worth learning from: near enough to be mistaken, and not so near that they may be right.

Source: the bars of sentence_transformers' mine_hard_negatives (5.0 to 6.2): relative_margin, absolute_margin, max_score, then
range_min and range_max of what is left, and as there the least of several right answers is the one that counts.
Differs: rows of a batch are looked at, in both directions; labels say what stands for what; the window is of what the bars
left, however far it lies, where theirs stops at range_max candidates whatever the bars left of them.
Golden: sentence_transformers mine_hard_negatives, the same pairs.
Axes: B rows of all ranks, D shared width, R local rows, C columns they are held against.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import normalize

from components.contracts.directions import Directions
from components.contracts.errors import ConfigError
from components.contracts.gathered import Gathered, belong, sides, stand_in
from components.contracts.signal import Signal


class HardNegatives(Signal):
    """True where a pair is a negative of its row. What belongs together, or stands for what does, never is.

    Args:
        skip: nearest candidates of each row that are left out, since they may be right; 0 leaves out none.
        take: how many of those after them are taken; null takes all.
        relative_margin: share of the right pair's cosine that a candidate must stay behind it; null asks for none.
        absolute_margin: cosine that a candidate must stay behind the right pair; null asks for none.
        most: cosine above which a candidate counts as right; null lets all through.
    """

    def __init__(
        self, skip: int = 0, take: int | None = None, relative_margin: float | None = None,
        absolute_margin: float | None = None, most: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if skip < 0:
            raise ConfigError(f"skip is {skip}, but it is how many of the nearest are left out. Give 0 or more.")
        if take is not None and take < 1:
            raise ConfigError(
                f"take is {take}, and nothing can be learnt of no negatives. Give 1 or more, or null for all that are left."
            )
        for name, margin, bar in (
            ("relative_margin", relative_margin, 1), ("absolute_margin", absolute_margin, 2)
        ):  # fmt: skip
            if margin is not None and not 0 <= margin < bar:
                raise ConfigError(
                    f"{name} is {margin}, but a candidate stays behind by 0 or more and below {bar}. 0.05 is usual; null asks "
                    "for no margin."
                )
        if most is not None and not -1 < most <= 1:
            raise ConfigError(
                f"most is {most}, but it is a cosine, above -1 and up to 1. 0.9 is usual; null lets all through."
            )
        self.skip, self.take, self.most = skip, take, most
        self.relative_margin, self.absolute_margin = relative_margin, absolute_margin

    @torch.no_grad()
    def forward(
        self,
        image: Float[Tensor, "B D"] | Gathered,
        text: Float[Tensor, "B2 D"] | Gathered,
        *,
        teacher: Directions | None = None,
    ) -> Directions:
        """Return the negatives of both directions, bool [R C].

        Args:
            teacher: cosines of another model, which are then gone by alone; None goes by those of the rows that are given.
        """
        pictures, texts = sides(image, text)
        said = (None, None) if teacher is None else (teacher.image_to_text, teacher.text_to_image)
        rows = [
            self._rows(by, to, cosines)
            for by, to, cosines in zip((pictures, texts), (texts, pictures), said, strict=True)
        ]
        return Directions(image_to_text=rows[0], text_to_image=rows[1])

    def _rows(self, by: Gathered, to: Gathered, cosines: Float[Tensor, "R C"] | None) -> Bool[Tensor, "R C"]:
        if cosines is None:
            cosines = normalize(by.local.float(), dim=-1) @ normalize(to.all.float(), dim=-1).T
        right = cosines.masked_fill(~belong(by, to), torch.inf).amin(1, keepdim=True)
        fits = ~stand_in(by, to)
        if self.absolute_margin is not None:
            fits &= cosines + self.absolute_margin <= right
        if self.relative_margin is not None:
            fits &= cosines <= right - self.relative_margin * right.abs()
        if self.most is not None:
            fits &= cosines <= self.most
        return self._within(cosines.masked_fill(~fits, -torch.inf)) & fits

    def _within(self, candidates: Float[Tensor, "R C"]) -> Bool[Tensor, "R C"]:
        """Return those whose rank is within the window."""
        columns = candidates.shape[1]
        if self.take is None and self.skip == 0:
            return torch.ones_like(candidates, dtype=torch.bool)
        last = columns if self.take is None else min(self.skip + self.take, columns)
        nearest = candidates.topk(last, dim=1).indices[:, self.skip :]
        return torch.zeros_like(candidates, dtype=torch.bool).scatter_(1, nearest, True)
