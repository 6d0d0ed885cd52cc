"""Which of the batch's texts a view of a picture is like should be what another view of it says, shared out evenly.

Source: Caron et al. 2020, arXiv:2006.09882, section 3.1 (codes of one view are predicted from another), with the batch's rows of the other
modality in place of learned prototypes as in Fini et al. 2023, arXiv:2305.08675 (SwALIP). Differs: codes are balanced over the whole batch on
each rank.
Golden: codes of lightly's sinkhorn under torch's cross_entropy, value and gradient, float32, rtol 1e-5.
Axes: B pairs, D shared width.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from components.contracts.errors import ConfigError
from components.contracts.gathered import Gathered, Side, sides
from components.contracts.objective import Objective
from components.objectives.sinkhorn import check_codes, sinkhorn


class SwapLoss(Objective):
    """Cross-entropy of each view's scores against the codes of another view, the mean of both directions.

    Args:
        temperature: of the codes, above 0; 0.05 in the paper.
        steps: of their balancing, at least 1; 3 in the paper.

    Raises ConfigError for numbers out of range.
    """

    def __init__(self, temperature: float = 0.05, steps: int = 3) -> None:
        super().__init__()
        check_codes(temperature, steps)
        self.temperature, self.steps = temperature, steps

    def forward(
        self, image: Side, text: Side, scale: Float[Tensor, ""], other_image: Side, other_text: Side
    ) -> Float[Tensor, ""]:
        """Return nats per row. Normalises its rows itself; row i of all four is of one sample.

        Args:
            image: a view of each picture, which learns.
            text: a view of each text, which learns.
            scale: what cosines are multiplied with.
            other_image: another view of each picture; codes have no gradient.
            other_text: another view of each text.

        Raises ConfigError for several rows of a sample.
        """
        pictures, texts = (_unit(side) for side in sides(image, text))
        with torch.no_grad():
            others = [_unit(side).all for side in sides(other_image, other_text)]
        with torch.autocast(pictures.all.device.type, enabled=False):
            cosines = others[0] @ others[1].T
            codes = [sinkhorn(way, self.temperature, self.steps) for way in (cosines, cosines.T)]
            losses = [
                _against(scale * by.local @ to.all.T, wanted[by.offset : by.offset + len(by.local)]) / by.rows_a_rank
                for by, to, wanted in zip((pictures, texts), (texts, pictures), codes, strict=True)
            ]
        return (losses[0] + losses[1]) / 2


def _against(scores: Float[Tensor, "R B"], wanted: Float[Tensor, "R B"]) -> Float[Tensor, ""]:
    return -(wanted * scores.log_softmax(1)).sum()


def _unit(side: Gathered) -> Gathered:
    if side.owner is not None:
        raise ConfigError("rows have owners, but SwapLoss takes one picture and one text of each sample, in one order.")
    return side.map(lambda rows: normalize(rows.float(), dim=-1))
