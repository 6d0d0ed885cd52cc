"""ALIP over ranks: `python -m tests.components.methods.alip_ranks FOLDER WORLD RANK`, one file a rank.

Two steps by every way to gather: losses, gradients of parameters as DDP leaves them, and the running means. Called as a function
without ranks, it is the one process that they are compared with.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from components.contracts.batch import Batch
from components.contracts.method import Clock
from components.methods.alip import Alip
from components.models.dual_encoder import DualEncoder
from components.training.gather import GatherMode
from tests.components.training.gathering import SAMPLES, WIDTH, Pixels, Words, part
from tests.over_ranks import be_a_rank, stepped

MODES: tuple[GatherMode, ...] = ("features", "ring", "detached")
STEPS = 2


def two_texts(rank: int, world: int) -> Batch:
    """Return a rank's part of the batch: captions of which some are others' and some are missing."""
    whole = part("pairs", 0, 1).texts["caption"]
    ids, given = whole.ids.clone(), torch.ones(SAMPLES, dtype=torch.int64)
    ids[::4] = ids[::4].roll(1, 0)
    given[[1, 2, 10]] = 0
    ours = slice(rank * SAMPLES // world, (rank + 1) * SAMPLES // world)
    raw = part("pairs", rank, world)
    texts = {**raw.texts, "synthetic": replace(whole, ids=ids[ours], mask=whole.mask[ours])}
    return replace(raw, texts=texts, ids={"synthetic_given": given[ours]})


class Step(nn.Module):
    """The method as DDP has it: what goes in is a batch."""

    def __init__(self, mode: GatherMode) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.method = Alip(DualEncoder(Pixels(), Words(), width=WIDTH), momentum=0.2, gather=mode)

    def forward(self, batch: Batch) -> Tensor:
        return torch.stack(list(self.method.losses(batch, Clock(step=0, total_steps=1, epoch=0)).terms.values())).sum()


def outcome(mode: GatherMode, rank: int = 0, world: int = 1) -> dict[str, Any]:
    """Return the losses, means over ranks, the gradient of each parameter in the last step, and the running means."""
    step, losses = Step(mode), []
    for _ in range(STEPS):
        step.zero_grad()
        last = stepped(step, two_texts(rank, world), world)
        losses.append(last["loss"])
    means = {name: mean.item() for name, mean in step.method.gates.means.items()}
    return {"losses": losses, "loss": losses[-1], "gradients": last["gradients"], "means": means}


if __name__ == "__main__":
    be_a_rank(lambda rank, world: {mode: outcome(mode, rank, world) for mode in MODES})
