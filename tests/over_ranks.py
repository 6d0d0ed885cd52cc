"""What several ranks say, each a process on the CPU that finds the others over the loopback.

A module that is such a rank, `python -m MODULE FOLDER WORLD RANK`, ends in `be_a_rank(...)`, and its test asks `told_by_ranks` of its
name. What both say of a step is `stepped`. `torchrun` starts a script as users do.
"""

import faulthandler
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from components.contracts.batch import Batch

REPOSITORY = Path(__file__).parents[1]
PATIENCE_S = 420  # for all ranks together
HANGS_S = PATIENCE_S - 30  # after which a rank says where it is, and goes


def told_by_ranks(module: str, folder: Path, world: int) -> list[dict[str, Any]]:
    """Start the ranks and return what each says; fails with all they printed when one of them does."""
    command = [sys.executable, "-m", module, str(folder), str(world)]
    started = [
        subprocess.Popen([*command, str(rank)], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for rank in range(world)
    ]  # fmt: skip
    deadline = time.monotonic() + PATIENCE_S
    try:
        said = [one.communicate(timeout=max(1.0, deadline - time.monotonic()))[0] for one in started]
    finally:
        for one in started:
            one.kill()
    assert [one.returncode for one in started] == [0] * world, "\n".join(said)
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(world)]


def torchrun(script: Path, folder: Path, world: int, *what: str) -> None:
    """Start a script as `world` ranks in `folder`, and wait for their end; fails with all they printed when one of them does."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={world}"]
    ran = subprocess.run(
        [*command, script, folder, *what], env=environment(), cwd=folder, capture_output=True, text=True, check=False,
        timeout=PATIENCE_S,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr


def environment() -> dict[str, str]:
    """Return what a rank is started with: no GPU, one thread."""
    return {
        **os.environ, "PYTHONPATH": str(REPOSITORY), "CUDA_VISIBLE_DEVICES": "", "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1",
    }  # fmt: skip


def stepped(step: nn.Module, batch: Batch, world: int) -> dict[str, Any]:
    """Return the `loss` that a step gives for a rank's part of a batch, the mean over ranks, and what its sum has as `gradients` of each
    parameter that learns, as DDP leaves them; without ranks, where `world` is 1, those of this process."""
    among = DistributedDataParallel(step) if world > 1 else step  # held, since without it nothing adds gradients up
    loss = among(batch)
    loss.sum().backward()
    value = loss.detach().clone()
    if world > 1:
        dist.all_reduce(value)
    learning = {name: one.grad for name, one in step.named_parameters() if one.requires_grad}
    return {"loss": (value / world).tolist(), "gradients": {name: one.tolist() for name, one in learning.items()}}


def check_same(told: dict[str, Any], one: dict[str, Any]) -> None:
    """Fail where a rank came to something else than one process did."""
    assert told["loss"] == pytest.approx(one["loss"], rel=1e-5)
    assert told["gradients"].keys() == one["gradients"].keys()
    for name, gradient in one["gradients"].items():
        torch.testing.assert_close(torch.tensor(told["gradients"][name]), torch.tensor(gradient), rtol=1e-4, atol=1e-6)


def say_where_it_hangs() -> None:
    """Print what every thread of this rank is at when it takes too long, and end it: a rank that waits for another says nothing else."""
    faulthandler.dump_traceback_later(HANGS_S, exit=True)


def be_a_rank(told: Callable[[int, int], dict[str, Any]]) -> None:
    """Meet the others, and leave what `told(rank, world)` returns."""
    say_where_it_hangs()
    folder, world, rank = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    store = dist.FileStore(str(folder / "store"), world)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=world, timeout=timedelta(seconds=150))
    (folder / f"{rank}.json").write_text(json.dumps(told(rank, world)))
    dist.destroy_process_group()
