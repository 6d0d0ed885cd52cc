"""LightCLIP over ranks: `python -m tests.components.methods.lightclip_ranks FOLDER WORLD RANK`, one file a rank.

One step by every way to gather: loss, and gradients of parameters as DDP leaves them. Called as a function without ranks, it is
the one process that they are compared with.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from components.contracts.batch import Batch, Images, Texts
from components.contracts.encoded import Encoded, Tower
from components.contracts.method import Clock
from components.methods.lightclip import LightClip
from components.models.dual_encoder import DualEncoder
from components.models.projection import LogitScale
from components.models.towers.text import TextTower
from components.training.gather import GatherMode
from tests.over_ranks import be_a_rank, stepped

MODES: tuple[GatherMode, ...] = ("features", "ring", "detached")
SAMPLES, LENGTH, VOCABULARY, WIDTH = 8, 7, 20, 5


class Patches(Tower):
    """A pixel is a patch."""

    width = 3

    def forward(self, rows: Images, need: Sequence[str] = ()) -> Encoded:
        tokens = rows.pixels.flatten(2).transpose(1, 2)
        features = tokens.mean(1)
        return Encoded(pooled=features, features=features, tokens=tokens)


def part(rank: int, world: int) -> Batch:
    """Return a rank's part of the batch: texts of 3 to 7 tokens, start and end among them."""
    draw = torch.Generator().manual_seed(2)
    pixels = torch.randn(SAMPLES, 3, 2, 2, generator=draw)
    mask = torch.arange(LENGTH) < torch.randint(3, LENGTH + 1, (SAMPLES, 1), generator=draw)
    ids = torch.randint(3, VOCABULARY, (SAMPLES, LENGTH), generator=draw) * mask
    ours = slice(rank * SAMPLES // world, (rank + 1) * SAMPLES // world)
    keys = tuple(str(sample) for sample in range(SAMPLES))[ours]
    texts = {"caption": Texts(ids=ids[ours], mask=mask[ours])}
    return Batch(keys=keys, images={"main": Images(pixels=pixels[ours])}, texts=texts)


class Step(nn.Module):
    """The method as DDP has it: what goes in is a batch. Draws follow from a seed, as in a step of the loop."""

    def __init__(self, mode: GatherMode) -> None:
        super().__init__()
        torch.manual_seed(1)
        text = TextTower(VOCABULARY, LENGTH, width=8, depth=2, heads=2)
        model = DualEncoder(Patches(), text, width=WIDTH, logit_scale=LogitScale(temperature=0.25))
        self.method = LightClip(model, mask_share=0.5, gather=mode)

    def forward(self, batch: Batch) -> Tensor:
        torch.manual_seed(9)
        terms = self.method.losses(batch, Clock(step=3, total_steps=4, epoch=0)).terms
        return torch.stack([terms[name] for name in ("instance", "token", "masked")])


def outcome(mode: GatherMode, rank: int = 0, world: int = 1) -> dict[str, Any]:
    """Return the terms, means over ranks, and the gradient that their sum has for each parameter."""
    return stepped(Step(mode), part(rank, world), world)


if __name__ == "__main__":
    be_a_rank(lambda rank, world: {mode: outcome(mode, rank, world) for mode in MODES})
