"""Any contrast on the first dimensions too, so that embeddings can be cut short afterwards and still be compared.

Source: Kusupati et al. 2022, arXiv:2205.13147, section 3, equation 1, with one head for all widths, as both sides of a
contrast have. Differs: all dimensions together always take part, with a weight of 1.
Golden: sentence_transformers MatryoshkaLoss, value and gradient, float32, rtol 1e-5.
Axes: B pairs, D shared width, R rows of this rank, C columns they are held against, Q further columns.
"""

import math
from functools import partial

from jaxtyping import Bool, Float
from torch import Tensor

from components.contracts.directions import Directions
from components.contracts.errors import ConfigError
from components.contracts.gathered import Gathered, sides
from components.contracts.objective import Contrast, Wrapper


class Matryoshka(Wrapper):
    """The sum of a contrast of whole embeddings and of their first dimensions, each width by its weight.

    Args:
        objective: the contrast.
        widths: how many of the first dimensions, besides all; below 1 it is a share of D, such as 0.5 for half of them.
        weights: of each width, above 0; null is 1 for each, as in the paper.
    """

    def __init__(
        self,
        objective: Contrast,
        widths: tuple[float, ...] = (0.5, 0.25, 0.125),
        weights: tuple[float, ...] | None = None,
    ) -> None:
        super().__init__(objective)
        for width in widths:
            if not 0 < width < math.inf or (width > 1 and width != int(width)):
                raise ConfigError(
                    f"widths has {width:g}, but it is how many of the first dimensions are compared. Give whole numbers such as "
                    "64, or shares below 1 such as 0.5."
                )
        if not widths or len(set(widths)) < len(widths):
            raise ConfigError(
                f"widths is {_said(widths)}, but each width stands there once, and one at least: without any, this is the "
                "contrast alone, and its name would promise what it does not do. Give such as [0.5, 0.25]."
            )
        if weights is not None and (len(weights) != len(widths) or not all(0 < one < math.inf for one in weights)):
            raise ConfigError(
                f"weights is {_said(weights)}, but must have a number above 0 for each of the {len(widths)} widths. Leave it "
                "out for 1 each."
            )
        self.widths, self.weights = tuple(widths), tuple(weights or [1.0] * len(widths))

    def check_width(self, width: int) -> None:
        """Raise ConfigError for widths that leave nothing to cut, or nothing over, of D dimensions."""
        self.dimensions(width)
        super().check_width(width)

    def dimensions(self, width: int) -> tuple[int, ...]:
        """Return the widths as numbers of D dimensions, in their order; ConfigError as of check_width."""
        found = tuple(round(one * width) if one < 1 else int(one) for one in self.widths)
        if not all(0 < one < width for one in found) or len(set(found)) < len(found):
            raise ConfigError(
                f"widths is {_said(self.widths)}, which of embeddings with {width} dimensions is {list(found)}: each must be "
                f"another number from 1 to {width - 1}. Correct it, or give shares such as 0.5, which fit every size of a model."
            )
        return found

    def forward(
        self,
        image: Float[Tensor, "B D"] | Gathered,
        text: Float[Tensor, "B2 D"] | Gathered,
        scale: Float[Tensor, ""],
        bias: Float[Tensor, ""] | None = None,
        *,
        targets: Directions | Float[Tensor, "R C"] | None = None,
        weights: Float[Tensor, " R"] | None = None,
        mask: Directions | Bool[Tensor, "R C"] | None = None,
        more_images: Float[Tensor, "Q1 D"] | None = None,
        more_texts: Float[Tensor, "Q2 D"] | None = None,
        teacher: Directions | None = None,
    ) -> Float[Tensor, ""]:
        """Return nats per row, summed over the widths; what may be given besides is handed on, and cut where it has D."""
        pictures, texts = sides(image, text)
        alike = {"bias": bias, "targets": targets, "weights": weights, "mask": mask, "teacher": teacher}
        given = {name: one for name, one in alike.items() if one is not None}
        more = {
            name: one for name, one in {"more_images": more_images, "more_texts": more_texts}.items() if one is not None
        }
        loss: Tensor = self.objective(pictures, texts, scale, **given, **more)
        for width, weight in zip(self.dimensions(pictures.all.shape[1]), self.weights, strict=True):
            cut = partial(_first, width)
            shorter = {name: cut(rows) for name, rows in more.items()}
            loss = loss + weight * self.objective(pictures.map(cut), texts.map(cut), scale, **given, **shorter)
        return loss


def _first(width: int, rows: Tensor) -> Tensor:
    return rows[:, :width]


def _said(numbers: tuple[float, ...]) -> str:
    return f"[{', '.join(f'{one:g}' for one in numbers)}]"
