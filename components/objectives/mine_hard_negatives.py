"""Any contrast, of each row's right answers and its mined negatives alone.

Source: sentence_transformers' mine_hard_negatives (see signals/hard_negatives.py), whose data set of triplets is contrasted
afterwards. Differs: mined anew in every batch, over the rows of all ranks, so that nothing is written and nothing grows old.
Golden: sentence_transformers mine_hard_negatives, the same pairs; the loss is its contrast's.
Axes: B pairs, D shared width, R rows of this rank, C columns they are held against, Q further columns.
"""

from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import pad

from components.contracts.directions import Directions
from components.contracts.errors import ConfigError
from components.contracts.gathered import Gathered, sides
from components.contracts.objective import Contrast, Wrapper
from components.objectives.signals.hard_negatives import HardNegatives


class MineHardNegatives(Wrapper):
    """A contrast in which a wrong pair takes part where it is one of the mined negatives of its row.

    It wants labels: pictures of one thing, and equal captions, are no negatives of each other's pairs.

    Args:
        objective: the contrast; it must take a mask, and so no block.
        negatives: which are mined.
    """

    def __init__(self, objective: Contrast, negatives: HardNegatives) -> None:
        super().__init__(objective)
        if getattr(self.innermost, "block", None) is not None:
            raise ConfigError(
                "objective has a block, so that no square matrix of scores is ever there, but mining looks at all of it. Leave "
                "block null, or mine nothing."
            )
        self.negatives, self.wants_labels = negatives, True

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
        """Return nats per row; what may be given besides is handed on, further rows take part unmined.

        Args:
            teacher: cosines of a model that knows better, to mine by.
        """
        pictures, texts = sides(image, text)
        mined = self.negatives(pictures, texts, teacher=teacher)
        besides = {
            "bias": bias, "targets": targets, "weights": weights, "more_images": more_images, "more_texts": more_texts,
        }  # fmt: skip
        given = {name: one for name, one in besides.items() if one is not None}
        loss: Tensor = self.objective(pictures, texts, scale, mask=_both(mined, mask), **given)
        return loss


def _both(mined: Directions, mask: Directions | Tensor | None) -> Directions:
    if mask is None:
        return mined
    other = Directions.both(mask) if isinstance(mask, Tensor) else mask
    return Directions(
        image_to_text=_within(mined.image_to_text, other.image_to_text),
        text_to_image=_within(mined.text_to_image, other.text_to_image),
    )


def _within(mined: Bool[Tensor, "R C"], mask: Bool[Tensor, "R K"]) -> Bool[Tensor, "R K"]:
    """Return what both let through; of further columns, which nobody mined, the mask alone says so."""
    return pad(mined, (0, mask.shape[1] - mined.shape[1]), value=True) & mask
