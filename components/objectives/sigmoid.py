"""Sigmoid image-text loss: of every pair alone, do these two belong together?

Source: Zhai et al. 2023, arXiv:2303.15343, section 3.2. Differs: nothing.
Golden: open_clip SigLipLoss, value and gradient, float32, rtol 1e-5.
Axes: B pairs, D shared width, R rows of this rank, C rows of all ranks.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import normalize, softplus

from components.contracts.directions import Directions
from components.contracts.errors import ConfigError
from components.contracts.gathered import Gathered, belong, sides
from components.contracts.objective import Contrast
from components.objectives.blocks import in_blocks


class SigmoidLoss(Contrast):
    """Binary cross-entropy over all pairs of a picture and a text; the model owns the learned scale and bias.

    Args:
        pair_weight: weight of the matching pairs against the others, 1 in the paper; above 0.
        block: rows whose scores are there at once. null has all: faster, and memory grows with the square of the batch.
    """

    wants_bias = True

    def __init__(self, pair_weight: float = 1.0, block: int | None = None) -> None:
        super().__init__()
        if not 0 < pair_weight < float("inf"):
            raise ConfigError(
                f"pair_weight is {pair_weight}, but matching pairs must count for something. "
                "Use 1.0 for the paper's value; more than 1 leans towards recall."
            )
        if block is not None and block < 1:
            raise ConfigError(f"block is {block} rows. Give at least 1, such as 256, or null for all at once.")
        self.pair_weight, self.block = pair_weight, block

    def forward(
        self,
        image: Float[Tensor, "B D"] | Gathered,
        text: Float[Tensor, "B2 D"] | Gathered,
        scale: Float[Tensor, ""],
        bias: Float[Tensor, ""],
        *,
        mask: Directions | Bool[Tensor, "R C"] | None = None,
    ) -> Float[Tensor, ""]:
        """Return nats per picture. Normalises its rows itself.

        Args:
            scale: slope of the logits, 10 at the start in the paper.
            bias: their offset, -10: most pairs do not match.
            mask: False where a pair takes no part; what belongs together always does. Where the directions have masks of
                their own, a pair counts half in each.
        """
        pictures, texts = (side.map(_unit) for side in sides(image, text))
        if mask is not None:
            return self._masked(pictures, texts, scale, bias, mask)
        if self.block is None:
            logits = scale * pictures.local @ texts.all.T + bias
            return self._losses(logits, belong(pictures, texts)).sum() / pictures.rows_a_rank

        def part(block: slice, local: Tensor, among: Tensor, slope: Tensor, offset: Tensor) -> Tensor:
            logits = slope * local[block] @ among.T + offset
            return self._losses(logits, belong(pictures, texts, block)).sum() / pictures.rows_a_rank

        return in_blocks(part, len(pictures.local), self.block, pictures.local, texts.all, scale, bias)

    def from_scores(
        self, image_to_text: Float[Tensor, "R C"], match: Bool[Tensor, "R C"] | None = None
    ) -> Float[Tensor, ""]:
        """Return nats per picture of a matrix of logits, for methods that bring their own scores.

        match says which pairs belong together; None means those on the diagonal.
        """
        if match is None:
            match = torch.eye(*image_to_text.shape, dtype=torch.bool, device=image_to_text.device)
        return self._losses(image_to_text, match).sum() / len(image_to_text)

    def _masked(
        self, pictures: Gathered, texts: Gathered, scale: Tensor, bias: Tensor, mask: Directions | Tensor
    ) -> Tensor:
        if self.block is not None:
            raise ConfigError(
                "block takes the scores by rows so that no square matrix is ever there, but a mask is one. Leave block null "
                "where a method, or a wrapper, brings one."
            )
        open_ = Directions.both(mask) if isinstance(mask, Tensor) else mask
        total: Tensor = scale.new_zeros(())
        for by, to, takes_part in ((pictures, texts, open_.image_to_text), (texts, pictures, open_.text_to_image)):
            match = belong(by, to)
            losses = self._losses(scale * by.local @ to.all.T + bias, match)
            total = total + (losses * (takes_part | match)).sum() / 2
        return total / pictures.rows_a_rank

    def _losses(self, logits: Tensor, match: Tensor) -> Tensor:
        losses = softplus(torch.where(match, -logits, logits).float())
        return losses if self.pair_weight == 1 else torch.where(match, self.pair_weight * losses, losses)


def _unit(rows: Tensor) -> Tensor:
    return normalize(rows.float(), dim=-1)
