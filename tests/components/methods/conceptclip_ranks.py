"""ConceptCLIP over ranks: `python -m tests.components.methods.conceptclip_ranks FOLDER WORLD RANK`, one file a rank.

Every way to gather, with concepts of which ranks have other numbers, the last none, and with none at all: the sum of the terms and the
gradients of parameters, as DDP leaves them. Called as a function without ranks, it is the one process that they are compared with.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

import torch
from torch import Tensor, nn

from components.contracts.batch import Batch, Spans, Texts
from components.contracts.encoded import Encoded
from components.contracts.method import Clock
from components.methods.conceptclip import ConceptClip
from components.models.dual_encoder import DualEncoder
from components.models.projection import LogitScale
from components.training.gather import GatherMode
from tests.components.methods.dreamlip_ranks import Patches
from tests.components.training.gathering import SAMPLES, WIDTH, Words, part
from tests.over_ranks import be_a_rank, stepped

MODES = [mode for mode in get_args(GatherMode) if mode != "none"]
CONCEPTS = (1, 0, 3, 1, 2, 1, 0, 0, 0, 0, 0, 0)  # of each sample


class Tokens(Words):
    """The mean of a text's tokens, and the tokens."""

    def forward(self, rows: Texts, need: Sequence[str] = ()) -> Encoded:
        return replace(super().forward(rows), tokens=self.embedding(rows.ids))


def told(rank: int, world: int, kind: str) -> Batch:
    """Return a rank's part of the batch."""
    batch, share = part("pairs", rank, world), SAMPLES // world
    row = torch.tensor([sample for sample, count in enumerate(CONCEPTS) for _ in range(count)])
    row = row if kind == "some" else row[:0]
    first = torch.arange(len(row)) % 2
    ours = (row >= rank * share) & (row < (rank + 1) * share)
    return replace(
        batch,
        spans={"caption": Spans(row=row[ours] - rank * share, first=first[ours], last=(first + 1 + row % 2)[ours])},
    )


class Step(nn.Module):
    """The method as DDP has it: what goes in is a batch."""

    def __init__(self, mode: GatherMode) -> None:
        super().__init__()
        torch.manual_seed(1)
        model = DualEncoder(Patches(), Tokens(), width=WIDTH, logit_scale=LogitScale(temperature=0.25, bias=-2.0))
        self.method = ConceptClip(model, concept=2.0, chunk=3, gather=mode)

    def forward(self, batch: Batch) -> Tensor:
        return sum(self.method.losses(batch, Clock(step=0, total_steps=1, epoch=0)).terms.values(), torch.zeros(()))


def outcome(mode: GatherMode, kind: str, rank: int = 0, world: int = 1) -> dict[str, Any]:
    """Return the loss, the mean over ranks, and the gradient of each parameter."""
    return stepped(Step(mode), told(rank, world, kind), world)


def all_told(rank: int, world: int) -> dict[str, Any]:
    """Return what a rank says of every way to gather."""
    return {f"{mode} {kind}": outcome(mode, kind, rank, world) for mode in MODES for kind in ("some", "none")}


if __name__ == "__main__":
    be_a_rank(all_told)
