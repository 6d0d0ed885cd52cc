"""RS-M-CLIP over ranks: `python -m tests.components.methods.rs_m_clip_ranks FOLDER WORLD RANK`, one file a rank.

The sum of the terms, the gradients of parameters as DDP leaves them, and the centre behind the step. Called as a function without ranks, it is the
one process that they are compared with.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from components.contracts.batch import Batch, Images
from components.contracts.method import Clock
from components.methods.rs_m_clip import Distil, RsMClip
from components.models.dual_encoder import DualEncoder
from components.models.projection import LogitScale
from tests.components.training.gathering import SAMPLES, WIDTH, Pixels, Words, part
from tests.over_ranks import be_a_rank, stepped

SMALL = 3
DISTIL = Distil(hidden=6, bottleneck=3, prototypes=7, still=0.0)


def told(rank: int, world: int) -> Batch:
    """Return a rank's part of the batch, with another large crop and three small ones of each picture."""
    batch, share = part("pairs", rank, world), SAMPLES // world
    draw = torch.Generator().manual_seed(4)
    large, small = (torch.randn(SAMPLES, count, 3, 2, 2, generator=draw) for count in (1, SMALL))
    ours = slice(rank * share, (rank + 1) * share)
    views = {
        "global": Images(pixels=large[ours].flatten(0, 1)),
        "local": Images(pixels=small[ours].flatten(0, 1), owner=torch.arange(share).repeat_interleave(SMALL)),
    }
    return replace(batch, images={**batch.images, **views})


class Step(nn.Module):
    """The method as DDP has it: what goes in is a batch."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        model = DualEncoder(Pixels(), Words(), width=WIDTH, logit_scale=LogitScale(temperature=0.25))
        self.method = RsMClip(model, DISTIL)

    def forward(self, batch: Batch) -> Tensor:
        terms = self.method.losses(batch, Clock(step=0, total_steps=4, epoch=0)).terms
        return terms["contrast"] + 2 * terms["distil"]


def outcome(rank: int = 0, world: int = 1) -> dict[str, Any]:
    """Return the loss, the mean over ranks, the gradient of each parameter that learns, and the centre."""
    step = Step()
    return stepped(step, told(rank, world), world) | {"centre": step.method.loss.centre.tolist()}


if __name__ == "__main__":
    be_a_rank(outcome)
