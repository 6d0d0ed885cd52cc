"""PriorCLIP over ranks: `python -m tests.components.methods.priorclip_ranks FOLDER WORLD RANK`, one file a rank.

Every way to gather, with kinds that ranks share, a column a sample and a column a kind: the sum of the terms and the gradients of what
learns, as DDP leaves them. Called as a function without ranks, it is the one process that they are compared with.
"""

from dataclasses import replace
from typing import Any, get_args

import torch
from torch import Tensor, nn

from components.contracts.batch import Batch
from components.contracts.method import Clock
from components.methods.priorclip import PriorClip
from components.models.dual_encoder import DualEncoder
from components.models.projection import LogitScale
from components.models.towers.prior_guided import PriorGuided
from components.training.gather import GatherMode
from tests.components.methods.dreamlip_ranks import Patches
from tests.components.training.gathering import SAMPLES, WIDTH, Pixels, Words, part
from tests.over_ranks import be_a_rank, stepped

MODES = [mode for mode in get_args(GatherMode) if mode != "none"]
KINDS = (3, 1, 1, 3, 7, 1, 0, 3, 3, 0, 1, 5)  # of each sample


def told(rank: int, world: int, shape: str = "pairs") -> Batch:
    """Return a rank's part of the batch; `captions` are several of a sample."""
    share = SAMPLES // world
    kinds = torch.tensor(KINDS[rank * share : (rank + 1) * share])
    return replace(part(shape, rank, world), ids={"category": kinds})


class Step(nn.Module):
    """The method as DDP has it: what goes in is a batch."""

    def __init__(self, mode: GatherMode, dedupe: bool) -> None:
        super().__init__()
        torch.manual_seed(1)
        image = PriorGuided(Patches(), Pixels(), keep=0.5, depth=1, heads=2, dropout=0.0)
        model = DualEncoder(image, Words(), width=WIDTH, logit_scale=LogitScale(temperature=0.25))
        self.method = PriorClip(model, dedupe=dedupe, gather=mode)

    def forward(self, batch: Batch) -> Tensor:
        terms = self.method.losses(batch, Clock(step=0, total_steps=1, epoch=0)).terms
        return terms["contrast"] + 2 * terms["centre"]  # so that neither can stand for the other


def outcome(mode: GatherMode, dedupe: bool, rank: int = 0, world: int = 1) -> dict[str, Any]:
    """Return the loss, the mean over ranks, and the gradient of each parameter."""
    return stepped(Step(mode, dedupe), told(rank, world), world)


def all_told(rank: int, world: int) -> dict[str, Any]:
    """Return what a rank says of every way to gather."""
    return {f"{mode} {dedupe}": outcome(mode, dedupe, rank, world) for mode in MODES for dedupe in (False, True)}


if __name__ == "__main__":
    be_a_rank(all_told)
