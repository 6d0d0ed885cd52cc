"""ALIP over ranks: `python -m tests.components.methods.alip_ranks FOLDER WORLD RANK`, one file a rank.

Two steps by every way to gather: losses, gradients of parameters as DDP leaves them, and the running means. Called as a function
without ranks, it is the one process that they are compared with.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from components.contracts.batch import Batch
from components.contracts.method import Clock
from components.methods.alip import Alip
from components.models.dual_encoder import DualEncoder
from components.training.gather import GatherMode
from tests.components.training.gathering import REPOSITORY, SAMPLES, WIDTH, Pixels, Words, part

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
    own = step = Step(mode)
    if world > 1:
        step = DistributedDataParallel(own)
    losses = []
    for _ in range(STEPS):
        own.zero_grad()
        loss = step(two_texts(rank, world))
        loss.backward()
        value = loss.detach().clone()
        if world > 1:
            dist.all_reduce(value)
        losses.append(value.item() / world)
    gradients = {name: one.grad.tolist() for name, one in own.named_parameters()}
    return {
        "losses": losses, "gradients": gradients,
        "means": {name: mean.item() for name, mean in own.method.gates.means.items()},
    }  # fmt: skip


def told_by_ranks(folder: Path, world: int) -> list[dict[str, Any]]:
    """Start the ranks, on the CPU and over the loopback, and return what each says, by mode."""
    environment = {
        **os.environ, "PYTHONPATH": str(REPOSITORY), "CUDA_VISIBLE_DEVICES": "", "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    command = [sys.executable, "-m", "tests.components.methods.alip_ranks", str(folder), str(world)]
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
    told = {mode: outcome(mode, rank, world) for mode in MODES}
    (folder / f"{rank}.json").write_text(json.dumps(told))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
