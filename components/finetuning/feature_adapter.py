"""CLIP-Adapter: a small map behind the picture's projection learns, and both towers stay as they are.

Source: Gao et al. 2021, arXiv:2110.04544, section 3.2; components/models/adapted_projection.py says what differs there. Differs: it learns from pairs, by
the recipe's own method, and not from labels; the scale of the logits trains along; texts have no adapter, which the paper found to be enough.
"""

import zlib

import torch
from torch import nn

from components.contracts.errors import ConfigError
from components.finetuning.freeze import Freeze
from components.finetuning.strategy import ALPHAS, Strategy
from components.models.adapted_projection import AdaptedProjection
from components.models.dual_encoder import DualEncoder
from components.training.numbers import Optimisation


class FeatureAdapter(Strategy):
    """Trains the adapter and the scale of the logits; arguments as of Strategy, and

    Args:
        reduction: the bottleneck is the shared width divided by it, 1 or more.
        ratio: how much the adapter counts at alpha 1, above 0, at most 1; alphas below count less.

    A model that has an adapter trains that one on.
    """

    def __init__(
        self, share: float = 0.25, optimisation: Optimisation | None = None, alphas: tuple[float, ...] = ALPHAS,
        reduction: int = 4, ratio: float = 0.2,
    ) -> None:  # fmt: skip
        super().__init__(share, optimisation, alphas)
        if reduction < 1 or not 0 < ratio <= 1:
            raise ConfigError(
                f"reduction is {reduction} and ratio {ratio}, but a bottleneck is no wider than what it stands behind, and an adapter counts for a share above 0. "
                "4 and 0.2 are usual."
            )
        self.reduction, self.ratio = reduction, ratio

    def prepare(self, model: nn.Module) -> Freeze:
        """Put the adapter behind the picture's projection, and return all else as what stays; ConfigError for a model without such a projection."""
        if not isinstance(model, DualEncoder):
            raise ConfigError(
                f"{type(model).__name__} has no projection of pictures that an adapter could stand behind. Tune a DualEncoder."
            )
        its = model.image_projection
        if not isinstance(its, AdaptedProjection):
            model.image_projection = behind(its, max(1, its.width_out // self.reduction), self.ratio)
        return Freeze(model, ("image_projection.down.*", "image_projection.up.*", "logit_*"))


def behind(its: nn.Module, hidden: int, ratio: float) -> AdaptedProjection:
    """Return the projection with an adapter, drawn from the bytes of its weights, so that a tuning that goes on has the same."""
    weights = b"".join(value.detach().cpu().numpy().tobytes() for value in its.state_dict().values())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(zlib.crc32(weights))
        made = AdaptedProjection(its.width_in, its.width_out, its.kind, hidden=hidden, ratio=ratio)  # type: ignore[arg-type]
    like = next(its.parameters(), None)
    made.linear = its.linear  # type: ignore[assignment]  # a projection's
    return made if like is None else made.to(like)
