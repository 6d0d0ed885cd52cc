"""DreamLIP over ranks: `python -m tests.components.methods.dreamlip_ranks FOLDER WORLD RANK`, one file a rank.

Every way to gather: the sum of the terms and the gradients of parameters, as DDP leaves them. Called as a function without ranks, it
is the one process that they are compared with.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

import torch
from torch import Tensor, nn

from components.contracts.batch import Batch, Images, Texts
from components.contracts.encoded import Encoded
from components.contracts.method import Clock
from components.methods.dreamlip import DreamLip
from components.models.dual_encoder import DualEncoder
from components.models.projection import LogitScale
from components.training.gather import GatherMode
from tests.components.training.gathering import SAMPLES, TOKENS, WIDTH, Pixels, Words, part
from tests.over_ranks import be_a_rank, stepped

MODES = [mode for mode in get_args(GatherMode) if mode != "none"]
SENTENCES = 2


class Patches(Pixels):
    """The pixels of all channels as one vector, and as tokens three parts of it, each beside zeros."""

    def forward(self, rows: Images, need: Sequence[str] = ()) -> Encoded:
        whole = super().forward(rows)
        parts = torch.eye(3).repeat_interleave(self.width // 3, 1)
        return replace(whole, tokens=whole.features[:, None] * parts)


def told(rank: int, world: int) -> Batch:
    """Return a rank's part of the batch, with two sentences of each sample."""
    batch, share = part("pairs", rank, world), SAMPLES // world
    ids = torch.randint(TOKENS, (SAMPLES, SENTENCES, 4), generator=torch.Generator().manual_seed(4))
    ours = ids[rank * share : (rank + 1) * share].flatten(0, 1)
    owner = torch.arange(share).repeat_interleave(SENTENCES)
    sentence = Texts(ids=ours, mask=torch.ones_like(ours, dtype=torch.bool), owner=owner)
    return replace(batch, texts={**batch.texts, "sentence": sentence})


class Step(nn.Module):
    """The method as DDP has it: what goes in is a batch."""

    def __init__(self, mode: GatherMode) -> None:
        super().__init__()
        torch.manual_seed(1)
        model = DualEncoder(Patches(), Words(), width=WIDTH, logit_scale=LogitScale(temperature=0.25))
        self.method = DreamLip(model, gather=mode)

    def forward(self, batch: Batch) -> Tensor:
        terms = self.method.losses(batch, Clock(step=0, total_steps=1, epoch=0)).terms
        return terms["contrast"] + 2 * terms["group"]  # so that neither can stand for the other


def outcome(mode: GatherMode, rank: int = 0, world: int = 1) -> dict[str, Any]:
    """Return the loss, the mean over ranks, and the gradient of each parameter."""
    return stepped(Step(mode), told(rank, world), world)


if __name__ == "__main__":
    be_a_rank(lambda rank, world: {mode: outcome(mode, rank, world) for mode in MODES})
