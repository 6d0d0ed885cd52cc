"""Reinforce over ranks: `python -m tests.components.methods.reinforced_ranks FOLDER WORLD RANK`, one file a rank.

Every contrast in CLIP's method, reinforced by two teachers, every way to gather: the loss and the gradients of parameters, as DDP
leaves them. Called as a function without ranks, it is the one process that they are compared with.
"""

from dataclasses import replace
from typing import Any, get_args

import torch
from torch import Tensor, nn

from components.contracts.batch import Batch
from components.contracts.method import Clock
from components.methods.clip import Clip
from components.methods.reinforce import Reinforce
from components.models.dual_encoder import DualEncoder
from components.models.projection import LogitScale
from components.objectives.sigmoid import SigmoidLoss
from components.objectives.softmax import SoftmaxLoss
from components.training.gather import GatherMode
from tests.components.training.gathering import CAPTIONS, KINDS, SAMPLES, WIDTH, Pixels, Words, part
from tests.over_ranks import be_a_rank, stepped

CONTRASTS = {"softmax": SoftmaxLoss, "sigmoid": SigmoidLoss, "softmax in blocks": lambda: SoftmaxLoss(block=4)}
MODES = [mode for mode in get_args(GatherMode) if mode != "none"]


def taught(kind: str, rank: int, world: int) -> Batch:
    """Return a rank's part of the batch, with what two teachers said of it."""
    draw = torch.Generator().manual_seed(8)
    texts = sum(CAPTIONS) if kind == "captions" else SAMPLES
    said = {
        f"{side}{n}": 3 * torch.randn(count, 4 + n, generator=draw)
        for n in range(2)
        for side, count in (("image", SAMPLES), ("text", texts))
    }
    ours = slice(rank * SAMPLES // world, (rank + 1) * SAMPLES // world)
    first = [sum(CAPTIONS[: ours.start]), sum(CAPTIONS[: ours.stop])] if kind == "captions" else [ours.start, ours.stop]
    own = {name: rows[ours if name.startswith("image") else slice(*first)] for name, rows in said.items()}
    return replace(part(kind, rank, world), said=own)


class Step(nn.Module):
    """The method as DDP has it: what goes in is a batch."""

    def __init__(self, contrast: str, mode: GatherMode) -> None:
        super().__init__()
        torch.manual_seed(1)
        objective = CONTRASTS[contrast]()
        scale = LogitScale(temperature=0.25, bias=-2.0 if objective.wants_bias else None)
        model = DualEncoder(Pixels(), Words(), width=WIDTH, logit_scale=scale)
        self.method = Reinforce(model, lambda model: Clip(model, objective, mode), share=0.6)

    def forward(self, batch: Batch) -> Tensor:
        return self.method.losses(batch, Clock(step=0, total_steps=1, epoch=0)).terms["contrast"]


def outcome(contrast: str, mode: GatherMode, kind: str, rank: int = 0, world: int = 1) -> dict[str, Any]:
    """Return the loss, the mean over ranks, and the gradient of each parameter."""
    return stepped(Step(contrast, mode), taught(kind, rank, world), world)


def cases() -> list[tuple[str, GatherMode, str]]:
    """Return every contrast, every way to gather, and both kinds of batches."""
    return [(contrast, mode, kind) for contrast in CONTRASTS for mode in MODES for kind in KINDS]


if __name__ == "__main__":
    be_a_rank(lambda rank, world: {" ".join(case): outcome(*case, rank, world) for case in cases()})
