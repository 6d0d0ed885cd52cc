"""Losses over the rows of several ranks: `python -m tests.components.training.gathering FOLDER`, one file a rank.

Every loss of the catalogue in CLIP's method, every way to gather, pairs and ragged captions, and of two losses texts that do not fit: the
loss and the gradients of parameters, as DDP leaves them. Called as a function without ranks, it is the one process that they are compared with.
"""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

import torch
import yaml
from torch import Tensor, nn

from components.contracts.batch import Batch, Images, Texts
from components.contracts.encoded import Encoded, Tower
from components.contracts.errors import ConfigError
from components.contracts.method import Clock
from components.contracts.objective import Contrast
from components.data.rows.negatives import Negatives
from components.methods.clip import Clip
from components.models.dual_encoder import DualEncoder
from components.models.projection import LogitScale
from components.recipes.section import build
from components.training.gather import Gather, GatherMode
from tests.over_ranks import REPOSITORY, be_a_rank, stepped

CATALOGUE: dict[str, dict[str, Any]] = yaml.safe_load((REPOSITORY / "components/objectives/catalogue.yaml").read_text())
NAMES = [
    f"{name}{inner}"
    for name, row in sorted(CATALOGUE.items())
    if "between" not in row
    for inner in ([f" of {one}" for one in row["around"]] if "around" in row else [""])
]
"""Every contrast, each wrapper around each that its row names: `matryoshka of softmax`."""
SAMPLES, TOKENS, WIDTH = 12, 20, 5
CAPTIONS = (2, 1, 3, 1, 2, 2, 1, 4, 1, 1, 1, 2)  # of each sample, so that ranks have other numbers of them
KINDS = ("pairs", "captions")
UNFIT = (0, 1, 0, 3, 0, 0, 0, 0, 2, 0, 0, 1)  # texts that do not fit each sample: of three ranks the second has none
TAKING = ("softmax", "slot_wise of softmax")
"""Losses that are held to them, beside ragged captions."""


class Pixels(Tower):
    """The pixels themselves."""

    width = 12

    def forward(self, rows: Images, need: Sequence[str] = ()) -> Encoded:
        features = rows.pixels.flatten(1)
        return Encoded(pooled=features, features=features)


class Words(Tower):
    """The mean of a text's tokens."""

    width = 6

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(TOKENS, self.width)

    def forward(self, rows: Texts, need: Sequence[str] = ()) -> Encoded:
        features = self.embedding(rows.ids).mean(1)
        return Encoded(pooled=features, features=features)


class Step(nn.Module):
    """CLIP's method with these towers and a loss of the catalogue, as DDP has it: what goes in is a batch."""

    def __init__(self, objective: Contrast, mode: GatherMode) -> None:
        super().__init__()
        torch.manual_seed(1)
        scale = LogitScale(temperature=0.25, bias=-2.0 if objective.wants_bias else None)
        self.method = Clip(DualEncoder(Pixels(), Words(), width=WIDTH, logit_scale=scale), objective, mode)

    def forward(self, batch: Batch) -> Tensor:
        return self.method.losses(batch, Clock(step=0, total_steps=1, epoch=0)).terms["contrast"]


def part(kind: str, rank: int, world: int) -> Batch:
    """Return a rank's part of the batch."""
    draw = torch.Generator().manual_seed(2)
    pixels = torch.randn(SAMPLES, 3, 2, 2, generator=draw)
    owner = torch.tensor([sample for sample, count in enumerate(CAPTIONS) for _ in range(count)])
    if kind == "pairs":
        owner = torch.arange(SAMPLES)
    ids = torch.randint(TOKENS, (len(owner), 3), generator=draw)
    ids[-1] = ids[0]  # a caption that two samples have, on the first rank and on the last
    share = SAMPLES // world
    ours = slice(rank * share, (rank + 1) * share)
    here = (owner >= ours.start) & (owner < ours.stop)
    texts = Texts(
        ids=ids[here], mask=torch.ones_like(ids[here], dtype=torch.bool),
        owner=None if kind == "pairs" else owner[here] - ours.start,
    )  # fmt: skip
    keys = tuple(str(sample) for sample in range(SAMPLES))[ours]
    batch = Batch(keys=keys, images={"main": Images(pixels=pixels[ours])}, texts={"caption": texts})
    if kind != "unfit":
        return batch
    ids = torch.randint(TOKENS, (sum(UNFIT), 3), generator=draw)
    unfit = Negatives(
        texts=Texts(ids=ids, mask=torch.ones_like(ids, dtype=torch.bool)), starts=torch.tensor([0, *UNFIT]).cumsum(0)
    )
    return replace(batch, texts={**batch.texts, **unfit.of_part(torch.arange(SAMPLES), ours)})


def described(name: str) -> dict[str, Any]:
    """Return a loss as a recipe would have it."""
    outer, _, inner = name.partition(" of ")
    row = CATALOGUE[outer]
    within = {"objective": described(inner)} if inner else {}
    return {"class_path": row["class_path"], "init_args": {**row["init_args"], **within}}


def outcome(
    name: str, mode: GatherMode, kind: str, rank: int = 0, world: int = 1, among: bool = True
) -> dict[str, Any]:
    """Return the loss, the mean over ranks, and the gradient of each parameter; of a rank's part alone when not among others."""
    step = Step(build(described(name), Contrast), mode)
    return stepped(step, part(kind, rank, world), world if among else 1)


def gathered(mode: GatherMode, rank: int, world: int) -> dict[str, Any]:
    """Return how the numbers of all samples, a share a rank, come back."""
    share = SAMPLES // world
    rows = torch.arange(rank * share, (rank + 1) * share).float()[:, None]
    seen = Gather(mode)(rows)
    return {"all": seen.all.tolist(), "local": seen.local.tolist(), "offset": seen.offset}


def refused(rank: int) -> str:
    """Return what is said of one row on the first rank, two on the second, and so on."""
    try:
        Gather("features")(torch.ones(rank + 1, WIDTH))
    except ConfigError as err:
        return str(err)
    return "nothing"


def cases(world: int) -> list[tuple[str, GatherMode, str]]:
    """Return every loss, every way to gather, and both kinds of batches; of three ranks, which show how rows travel, one loss, and texts
    that do not fit."""
    modes = get_args(GatherMode)
    if world == 2:
        return list(itertools.product(NAMES, modes, KINDS))
    return [*itertools.product(["softmax"], modes, KINDS), *itertools.product(TAKING, modes, ["unfit"])]


def all_told(rank: int, world: int) -> dict[str, Any]:
    """Return what a rank says: every case, what it gathered, and how ranks of unlike parts are refused."""
    told: dict[str, Any] = {" ".join(case): outcome(*case, rank, world) for case in cases(world)}
    told |= {f"gathered {mode}": gathered(mode, rank, world) for mode in get_args(GatherMode)}
    told["uneven"] = refused(rank)
    return told


if __name__ == "__main__":
    be_a_rank(all_told)
