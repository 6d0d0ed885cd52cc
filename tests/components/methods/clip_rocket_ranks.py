"""CLIP-rocket over ranks: `python -m tests.components.methods.clip_rocket_ranks FOLDER WORLD RANK`, one file a rank.

Every way to gather and every extra: the sum of the terms and the gradients of parameters, as DDP leaves them. Called as a function without
ranks, it is the one process that they are compared with.
"""

from dataclasses import replace
from itertools import product
from typing import Any, get_args

import torch
from torch import Tensor, nn

from components.contracts.batch import Batch, Images, Texts
from components.contracts.method import Clock
from components.methods.clip_rocket import ClipRocket, Extra, Local
from components.models.dual_encoder import DualEncoder
from components.models.projection import LogitScale
from components.training.gather import GatherMode
from tests.components.training.gathering import SAMPLES, TOKENS, WIDTH, Pixels, Words, part
from tests.over_ranks import be_a_rank, stepped

MODES = [mode for mode in get_args(GatherMode) if mode != "none"]
EXTRAS = ("none", "siam", "byol", "barlow", "swap")
CASES = [
    (mode, kind) for mode, kind in product(MODES, EXTRAS) if mode == MODES[0] or kind in ("none", "barlow", "swap")
]
VIEWS = 2


def told(rank: int, world: int) -> Batch:
    """Return a rank's part of the batch, with two strong views of each sample."""
    batch, share = part("pairs", rank, world), SAMPLES // world
    draw, ours = torch.Generator().manual_seed(4), slice(rank * share * VIEWS, (rank + 1) * share * VIEWS)
    pixels = torch.randn(SAMPLES * VIEWS, 3, 2, 2, generator=draw)[ours]
    ids = torch.randint(TOKENS, (SAMPLES * VIEWS, 4), generator=draw)[ours]
    owner = torch.arange(share).repeat_interleave(VIEWS)
    texts = Texts(ids=ids, mask=torch.ones_like(ids, dtype=torch.bool), owner=owner)
    return replace(
        batch,
        images={**batch.images, "strong": Images(pixels=pixels, owner=owner)},
        texts={**batch.texts, "strong": texts},
    )


class Step(nn.Module):
    """The method as DDP has it: what goes in is a batch."""

    def __init__(self, mode: GatherMode, kind: Any) -> None:
        super().__init__()
        torch.manual_seed(1)
        model = DualEncoder(Pixels(), Words(), width=WIDTH, logit_scale=LogitScale(temperature=0.25))
        extra = Extra(kind=kind, hidden=6, width=4)
        self.method = ClipRocket(model, local=Local(hidden=2), extra=extra, gather=mode)
        for gain in (weight for weight in self.method.parameters() if weight.ndim == 1 and weight.requires_grad):
            nn.init.normal_(gain)

    def forward(self, batch: Batch) -> Tensor:
        terms = self.method.losses(batch, Clock(step=0, total_steps=1, epoch=0)).terms
        weights = torch.arange(1.0, len(terms) + 1)  # so that none can stand for another
        return (weights * torch.stack(list(terms.values()))).sum()


def outcome(mode: GatherMode, kind: str, rank: int = 0, world: int = 1) -> dict[str, Any]:
    """Return the loss, the mean over ranks, and the gradient of each parameter that learns."""
    return stepped(Step(mode, kind), told(rank, world), world)


if __name__ == "__main__":
    be_a_rank(lambda rank, world: {f"{mode} {kind}": outcome(mode, kind, rank, world) for mode, kind in CASES})
