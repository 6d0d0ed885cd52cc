"""Linear probe that begins at the texts: a cosine classifier on features that stay, drawn back to what the labels' texts say.

Sources: Radford et al. 2021, arXiv:2103.00020, section 3.2 (a linear classifier on frozen features, the penalty swept on a validation part); Wortsman et al. 2021,
arXiv:2109.01903, section 3 (it begins at the texts' vectors, and is mixed with them afterwards). Differs: rows are of unit length and there is no
bias, so that they can stand where texts stand; the penalty is the squared distance to the texts and not to 0.
Axes: N pictures, L labels, D shared width.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from components.contracts.errors import ConfigError
from components.contracts.progress import Progress
from components.finetuning.labels.way import SHARPNESSES, STRENGTHS, LabelVectors, LabelWay, Seen, unit

ROUNDS = 50  # of the solver for each penalty, from where the stronger one ended
PENALTIES = (1.0, 0.1, 0.01, 0.001, 0.0001)
SLOPES = (1.0, 4.0)  # of the learned scale: small models learn with a flat one, by which unit rows cannot be sure


class LinearProbe(LabelWay):
    """One vector a label, which is learnt; arguments as of LabelWay, and

    Args:
        penalties: of the squared distance of each vector to its text's, above 0; several to choose from.
        slopes: what the learned scale is multiplied with while it learns, above 0; several to choose from.

    Raises ConfigError for numbers out of range.
    """

    def __init__(
        self, strengths: Sequence[float] = STRENGTHS, sharpnesses: Sequence[float] = SHARPNESSES,
        penalties: Sequence[float] = PENALTIES, slopes: Sequence[float] = SLOPES,
    ) -> None:  # fmt: skip
        super().__init__(strengths, sharpnesses)
        if not penalties or not slopes or min(*penalties, *slopes) <= 0:
            raise ConfigError(
                f"penalties are {list(penalties)} and slopes {list(slopes)}, but one of each is needed at least, above 0, such as 0.01 and 1."
            )
        self.penalties, self.slopes = tuple(sorted(penalties, reverse=True)), tuple(slopes)

    def candidates(self, seen: Seen, begun: LabelVectors, progress: Progress) -> Iterator[LabelVectors]:
        """Yield what is learnt by each slope and penalty, the strongest penalty first."""
        image, label = torch.from_numpy(seen.train.image).double(), torch.from_numpy(seen.train.label)
        start, done = torch.from_numpy(begun.vectors).double(), 0
        for slope in self.slopes:
            rows = start
            for penalty in self.penalties:
                rows = probed(image, label, start, rows, slope * seen.embedder.logit_scale, penalty)
                progress("fitting a linear probe", done := done + 1, len(self.slopes) * len(self.penalties))
                yield LabelVectors(vectors=unit(rows.numpy().astype(np.float32)), counts=begun.counts)


def probed(
    image: Float[Tensor, "N D"], label: Int[Tensor, "N"], start: Float[Tensor, "L D"], rows: Float[Tensor, "L D"], scale: float, penalty: float
) -> Float[Tensor, "L D"]:  # fmt: skip
    """Return unit rows with the least mean cross-entropy, plus penalty times the squared distance to `start`, begun at `rows`."""
    free = rows.clone().requires_grad_(True)
    solver = torch.optim.LBFGS([free], max_iter=ROUNDS, line_search_fn="strong_wolfe", tolerance_grad=1e-8)

    def loss() -> Tensor:
        solver.zero_grad()
        now = normalize(free, dim=-1)
        value = cross_entropy(scale * image @ now.T, label) + penalty * (now - start).square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    solver.step(loss)
    return normalize(free.detach(), dim=-1)
