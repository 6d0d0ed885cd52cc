"""Softmax image-text loss (InfoNCE): of all texts of the batch, which one belongs to this picture, and the other way round?

Source: Radford et al. 2021, arXiv:2103.00020, figure 3; what papers add to it is off unless asked for: soft targets as in
Li et al. 2021, arXiv:2107.07651, margin as in Wang et al. 2018, arXiv:1801.05599, several positives as in Khosla et al.
2020, arXiv:2004.11362 (their L_out: the mean over positives stands outside the logarithm), among them those of the same label as
in Yang et al. 2022, arXiv:2204.03610, equation 3 (UniCL).
Differs: nothing.
Golden: open_clip ClipLoss, value and gradient, float32, rtol 1e-5.
Axes: B pairs, D shared width, R rows of this rank, C columns they are held against, Q further columns.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from components.contracts.directions import Directions
from components.contracts.errors import ConfigError
from components.contracts.gathered import Gathered, belong, sides, stand_in
from components.contracts.objective import Contrast
from components.objectives.blocks import in_blocks
from components.objectives.rows import behind, row_losses


class SoftmaxLoss(Contrast):
    """Cross-entropy over the rows and the columns of the similarity matrix, their weighted mean.

    Args:
        smoothing: share of the target spread over the other pairs of the batch, 0 in the paper; in [0, 1).
        margin: cosine that a match must be ahead by; 0 in the paper, in [0, 2).
        image_share: weight of picture to text against text to picture, 0.5 in the paper; in [0, 1].
        block: rows whose scores are there at once. null has all: faster, and memory grows with the square of the batch.
        alike: whether rows of which the same is shown, or said, are right answers to each other's, in equal parts; in the paper each row has one.
    """

    def __init__(
        self, smoothing: float = 0.0, margin: float = 0.0, image_share: float = 0.5, block: int | None = None, alike: bool = False
    ) -> None:  # fmt: skip
        super().__init__()
        if not 0 <= smoothing < 1:
            raise ConfigError(
                f"smoothing is {smoothing}, but it is the share of the target that the wrong pairs get. "
                "Use 0 for the paper's value; something like 0.1 forgives look-alikes."
            )
        if not 0 <= margin < 2:
            raise ConfigError(
                f"margin is {margin}, but cosines are at most 2 apart. Use 0 for the paper's value; 0.1 to 0.3 are usual."
            )
        if not 0 <= image_share <= 1:
            raise ConfigError(
                f"image_share is {image_share}, but it is the share of the picture-to-text direction. 0.5 is the paper's."
            )
        if block is not None and block < 1:
            raise ConfigError(f"block is {block} rows. Give at least 1, such as 256, or null for all at once.")
        if alike and block is not None:
            raise ConfigError(
                "alike asks of all rows which are of the same, and block never has all at once. Set one of them."
            )
        self.smoothing, self.margin, self.image_share, self.block, self.wants_labels = (
            smoothing,
            margin,
            image_share,
            block,
            alike,
        )

    def forward(
        self,
        image: Float[Tensor, "B D"] | Gathered,
        text: Float[Tensor, "B2 D"] | Gathered,
        scale: Float[Tensor, ""],
        *,
        targets: Directions | Float[Tensor, "R C"] | None = None,
        weights: Float[Tensor, " R"] | None = None,
        mask: Directions | Bool[Tensor, "R C"] | None = None,
        more_images: Float[Tensor, "Q1 D"] | None = None,
        more_texts: Float[Tensor, "Q2 D"] | None = None,
    ) -> Float[Tensor, ""]:
        """Return nats per row. Normalises its rows itself; rows of one sample belong together, all captions of a picture alike.

        Args:
            targets: how much of each row belongs to which column; None is by sample, in equal parts. A matrix alone has
                a row a picture; a row a text is then its transpose, made to sum to one.
            weights: of each row, at least 0; the mean is over all rows, so halving all of them halves the loss.
            mask: False where a pair takes no part; what belongs together always does.
            more_images: pictures that belong to no text here, such as a queue's.
            more_texts: the same for pictures.
        """
        pictures, texts = (side.map(_unit) for side in sides(image, text))
        if self.wants_labels and targets is None:
            targets = Directions(
                image_to_text=_padded(stand_in(pictures, texts), more_texts), text_to_image=_padded(stand_in(texts, pictures), more_images)
            ).distributions()  # fmt: skip
        among_texts, among_pictures = _extended(texts.all, more_texts), _extended(pictures.all, more_images)
        ways = (_Way(pictures, texts, among_texts), _Way(texts, pictures, among_pictures))
        if self.block is not None:
            if targets is not None or mask is not None:
                raise ConfigError(
                    "block takes the scores by rows so that no square matrix is ever there, but targets and mask are "
                    "square matrices. Leave block null where a method brings them."
                )
            return self._in_blocks(ways, scale, weights)
        by_picture = scale * pictures.local @ among_texts.T
        is_one = pictures.is_whole and among_pictures is pictures.all and among_texts is texts.all and texts.is_whole
        by_text = by_picture.T if is_one else scale * texts.local @ among_pictures.T
        given, open_ = _pair(_targets(targets)), _pair(_both(mask))
        losses = []
        for way, scores, right, mask_ in zip(ways, (by_picture, by_text), given, open_, strict=True):
            right = way.right() if right is None else right
            ahead = behind(scores, right, self.margin * scale) if self.margin else scores
            losses.append(self._mean(ahead, right, weights, mask_) * way.share)
        return self._both_ways(*losses)

    def from_scores(
        self,
        image_to_text: Float[Tensor, "R C"],
        text_to_image: Float[Tensor, "R2 C2"] | None = None,
        targets: Directions | Float[Tensor, "R C"] | None = None,
        weights: Float[Tensor, " R"] | None = None,
        mask: Directions | Bool[Tensor, "R C"] | None = None,
    ) -> Float[Tensor, ""]:
        """Return nats per row of matrices of logits, for methods that bring their own scores.

        Without text_to_image it is the transpose; without targets the diagonal is right. A margin is of cosines, and so not
        taken off here.
        """
        scores = image_to_text, image_to_text.T if text_to_image is None else text_to_image
        given, open_ = _pair(_targets(targets)), _pair(_both(mask))
        losses = [
            self._mean(side, torch.arange(len(side), device=side.device) if right is None else right, weights, mask_)
            for side, right, mask_ in zip(scores, given, open_, strict=True)
        ]
        return self._both_ways(*losses)

    def _both_ways(self, by_picture: Tensor, by_text: Tensor) -> Tensor:
        return self.image_share * by_picture + (1 - self.image_share) * by_text

    def _mean(self, scores: Tensor, right: Tensor, weights: Tensor | None, mask: Tensor | None) -> Tensor:
        if weights is None and mask is None and not right.is_floating_point():
            return cross_entropy(scores, right, label_smoothing=self.smoothing)
        return row_losses(scores, right, self.smoothing, weights, mask).sum() / len(scores)

    def _in_blocks(self, ways: tuple["_Way", "_Way"], scale: Tensor, weights: Tensor | None) -> Tensor:
        """Return the same with the scores of one block of rows at a time."""

        def part(block: slice, slope: Tensor, *tensors: Tensor) -> Tensor:
            losses = []
            for way, local, among in zip(ways, tensors[:2], tensors[2:], strict=True):
                right, scores = way.right(block), slope * local[block] @ among.T
                ahead = behind(scores, right, self.margin * slope) if self.margin else scores
                ours = None if weights is None else weights[block]
                losses.append(row_losses(ahead, right, self.smoothing, ours).sum() / way.by.rows_a_rank)
            return self._both_ways(*losses)

        assert self.block is not None
        rows = max(len(way.by.local) for way in ways)
        tensors = (*(way.by.local for way in ways), *(way.among for way in ways))
        return in_blocks(part, rows, self.block, scale, *tensors)


class _Way(NamedTuple):
    """One direction: local rows `by`, the rows that they belong to, and these with what belongs to nothing."""

    by: Gathered
    to: Gathered
    among: Tensor

    @property
    def share(self) -> float:
        """Rows here against the mean over ranks: 1 unless captions fell unevenly."""
        return len(self.by.local) / self.by.rows_a_rank

    def right(self, block: slice = slice(None)) -> Tensor:
        """Return the column of each row of a block, or where a sample has several rows, equal parts of its columns."""
        if self.by.owner is None and self.to.owner is None:
            return self.by.local_samples()[block]
        match = belong(self.by, self.to, block).float()
        return match / match.sum(1, keepdim=True).clamp(min=1)


def _extended(rows: Tensor, more: Tensor | None) -> Tensor:
    return rows if more is None else torch.cat([rows, _unit(more)])


def _padded(right: Tensor, more: Tensor | None) -> Tensor:
    """Return what is right with further columns, which belong to nothing."""
    return right if more is None else torch.cat([right, right.new_zeros(len(right), len(more))], 1)


def _unit(rows: Tensor) -> Tensor:
    return normalize(rows.float(), dim=-1)


def _both(value: Directions | Tensor | None) -> Directions | None:
    return Directions.both(value) if isinstance(value, Tensor) else value


def _targets(value: Directions | Tensor | None) -> Directions | None:
    if not isinstance(value, Tensor):
        return value
    return Directions(image_to_text=value, text_to_image=Directions.both(value).distributions().text_to_image)


def _pair(value: Directions | None) -> tuple[Tensor | None, Tensor | None]:
    return (None, None) if value is None else (value.image_to_text, value.text_to_image)
