"""Multi-label cluster discrimination: of all clusters, is a picture near to each of its own, and far from all others?

Source: An et al. 2024, arXiv:2407.17331, section 3.2. Differs: nothing in the formula, recalled from its derivation; the released code has
neither this loss nor the clustering.
Golden: log(1 + sum_n exp(s_j) + sum_p exp(-s_i) + sum_n sum_p exp(s_j - s_i)) in float64, which it is factorised from.
Axes: B pictures, C clusters of this rank, all of them where there is one rank.
"""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import softplus

from components.contracts.objective import Objective
from components.objectives.over_ranks import NOTHING, log_sum_exp, summed

Form = Literal["mlcd", "mlc", "bce", "softmax"]


class MultiLabelDisjointLoss(Objective):
    """Positives and negatives each against a bound of their own, s = 0, so that neither's gradient depends on the other.

    Args:
        form: `mlcd`, log(1 + sum_n exp(s)) + log(1 + sum_p exp(-s)); `mlc`, log(1 + sum_n exp(s) sum_p exp(-s)), the two joined;
            `bce`, every cluster a question of its own; `softmax`, cross-entropy, the mean over a picture's clusters, which with one
            cluster a picture is plain cluster discrimination.
    """

    def __init__(self, form: Form = "mlcd") -> None:
        super().__init__()
        self.form: Form = form

    def forward(self, logits: Float[Tensor, "B C"], is_positive: Bool[Tensor, "B C"]) -> Float[Tensor, ""]:
        """Return nats a picture, the mean over B.

        Over ranks each has all pictures and clusters of its own, and every rank returns the loss of all of them. A picture without
        a cluster loses by its negatives alone, and nothing by `softmax`.

        Args:
            logits: scaled cosines.
            is_positive: which clusters are the picture's own.
        """
        return self.of_each(logits, is_positive).mean()

    def of_each(self, logits: Float[Tensor, "B C"], is_positive: Bool[Tensor, "B C"]) -> Float[Tensor, "B"]:
        """Return nats of each picture."""
        if self.form == "bce":
            return summed(softplus(torch.where(is_positive, -logits, logits)).sum(1))
        if self.form == "softmax":
            count = summed(is_positive.sum(1).to(logits.dtype))
            own = summed(torch.where(is_positive, logits, 0.0).sum(1)) / count.clamp(min=1.0)
            return (log_sum_exp(logits) - own) * (count > 0)
        others = log_sum_exp(logits.masked_fill(is_positive, NOTHING))
        own = log_sum_exp((-logits).masked_fill(~is_positive, NOTHING))
        return softplus(others + own) if self.form == "mlc" else softplus(others) + softplus(own)
