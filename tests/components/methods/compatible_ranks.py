"""Compatible over ranks: `python -m tests.components.methods.compatible_ranks FOLDER WORLD RANK`, one file a rank.

CLIP's method held to an old model, every way to gather: the loss and the gradients of parameters, as DDP leaves them. Called as a
function without ranks, it is the one process that they are compared with.
"""

from typing import Any

import torch
from torch import Tensor, nn

from components.contracts.batch import Batch
from components.contracts.method import Clock
from components.methods.clip import Clip
from components.methods.compatible import Compatible
from components.models.dual_encoder import DualEncoder
from components.models.projection import LogitScale
from components.training.gather import GatherMode
from tests.components.methods.reinforced_ranks import CONTRASTS, MODES
from tests.components.training.gathering import KINDS, WIDTH, Pixels, Words, part
from tests.over_ranks import be_a_rank, stepped


class Step(nn.Module):
    """The method as DDP has it: what goes in is a batch."""

    def __init__(self, contrast: str, mode: GatherMode) -> None:
        super().__init__()
        torch.manual_seed(1)
        objective = CONTRASTS[contrast]()
        scale = LogitScale(temperature=0.25, bias=-2.0 if objective.wants_bias else None)
        old, model = (DualEncoder(Pixels(), Words(), width=WIDTH, logit_scale=scale) for _ in range(2))
        self.method = Compatible(Clip(model, objective, mode), old, weight=0.7)

    def forward(self, batch: Batch) -> Tensor:
        return self.method.losses(batch, Clock(step=0, total_steps=1, epoch=0)).terms["contrast"]


def outcome(contrast: str, mode: GatherMode, kind: str, rank: int = 0, world: int = 1) -> dict[str, Any]:
    """Return the loss, the mean over ranks, and the gradient of each parameter."""
    return stepped(Step(contrast, mode), part(kind, rank, world), world)


def cases() -> list[tuple[str, GatherMode, str]]:
    """Return every contrast, every way to gather, and both kinds of batches."""
    return [(contrast, mode, kind) for contrast in CONTRASTS for mode in MODES for kind in KINDS]


if __name__ == "__main__":
    be_a_rank(lambda rank, world: {" ".join(case): outcome(*case, rank, world) for case in cases()})
