"""Reinforce over ranks: `python -m tests.components.methods.reinforced_ranks FOLDER WORLD RANK`, one file a rank.

Every contrast in CLIP's method, reinforced by two teachers, every way to gather: the loss and the gradients of parameters, as DDP
leaves them. Called as a function without ranks, it is the one process that they are compared with.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from components.contracts.batch import Batch
from components.contracts.method import Clock
from components.methods.clip import Clip
from components.methods.reinforce import Reinforce
from components.models.dual_encoder import DualEncoder
from components.models.projection import LogitScale
from components.objectives.sigmoid import SigmoidLoss
from components.objectives.softmax import SoftmaxLoss
from components.training.gather import GatherMode
from tests.components.training.gathering import CAPTIONS, KINDS, REPOSITORY, SAMPLES, WIDTH, Pixels, Words, part

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
    step: nn.Module = Step(contrast, mode)
    if world > 1:
        step = DistributedDataParallel(step)
    loss = step(taught(kind, rank, world))
    loss.backward()
    value = loss.detach().clone()
    if world > 1:
        dist.all_reduce(value)
    gradients = {name.removeprefix("module."): one.grad.tolist() for name, one in step.named_parameters()}
    return {"loss": value.item() / world, "gradients": gradients}


def cases() -> list[tuple[str, GatherMode, str]]:
    """Return every contrast, every way to gather, and both kinds of batches."""
    return [(contrast, mode, kind) for contrast in CONTRASTS for mode in MODES for kind in KINDS]


def told_by_ranks(folder: Path, world: int) -> list[dict[str, Any]]:
    """Start the ranks, on the CPU and over the loopback, and return what each says, by `contrast mode kind`."""
    environment = {
        **os.environ, "PYTHONPATH": str(REPOSITORY), "CUDA_VISIBLE_DEVICES": "", "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    command = [sys.executable, "-m", "tests.components.methods.reinforced_ranks", str(folder), str(world)]
    started = [
        subprocess.Popen([*command, str(rank)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for rank in range(world)
    ]  # fmt: skip
    try:
        said = [one.communicate(timeout=200)[0] for one in started]
    finally:
        for one in started:
            one.kill()
    assert [one.returncode for one in started] == [0] * world, "\n".join(said)
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(world)]


def main() -> None:
    """Be one rank."""
    folder, world, rank = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    store = dist.FileStore(str(folder / "store"), world)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=world, timeout=timedelta(seconds=150))
    told = {" ".join(case): outcome(*case, rank, world) for case in cases()}
    (folder / f"{rank}.json").write_text(json.dumps(told))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
