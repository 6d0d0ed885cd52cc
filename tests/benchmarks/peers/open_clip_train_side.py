"""open_clip's own training loop on batches that lie in memory: `python open_clip_train_side.py FOLDER weights|fp32|amp_bf16`.

`weights` writes weights.safetensors, the model's start. Otherwise `train_one_epoch` of open_clip_train runs over the batches with
loss, groups, optimizer and schedule made as its `main` makes them, and one line of JSON says each step's loss, and the seconds of
all steps but the first.
"""

import json
import logging
import sys
import time
from argparse import Namespace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from open_clip.loss import ClipLoss
from open_clip.model import CLIP
from open_clip_train.scheduler import cosine_lr
from open_clip_train.train import train_one_epoch
from safetensors.torch import load_file, save_file
from spent import cpu_s
from step_data import CONFIG, MEAN, OPTIMISATION, STD, read
from torch import Tensor, nn


class InMemory:
    """What open_clip's loop takes for a loader, and for the data that has one."""

    def __init__(self, images: Tensor, ids: Tensor) -> None:
        self.images, self.ids, self.dataloader = images, ids, self
        self.num_batches, self.num_samples = len(ids), ids.shape[0] * ids.shape[1]
        self.marks: list[tuple[float, float]] = []

    def set_epoch(self, epoch: int) -> None:
        """There is but one."""

    def __iter__(self) -> Any:
        for step in range(self.num_batches):
            self.marks.append((cpu_s(), time.perf_counter()))
            yield self.images[step], self.ids[step]


class Losses(ClipLoss):
    """Its loss, which also keeps what it gave; its own log has five digits."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[Tensor] = []

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        losses = super().forward(*args, **kwargs)
        self.given.append(losses["contrastive_loss"].detach())
        return losses


def main() -> None:
    """Make the weights, or train and print."""
    torch.set_num_threads(1)
    logging.disable(logging.INFO)
    folder, what = Path(sys.argv[1]), sys.argv[2]
    torch.manual_seed(0)
    model = CLIP(**CONFIG, output_dict=True)
    if what == "weights":
        save_file(
            {name: value.contiguous() for name, value in model.state_dict().items()}, folder / "weights.safetensors"
        )
        return
    model.load_state_dict(load_file(folder / "weights.safetensors"))
    pixels, ids = read(folder)
    mean, std = (torch.tensor(numbers).view(3, 1, 1) for numbers in (MEAN, STD))
    data = InMemory((pixels - mean) / std, ids)
    args = Namespace(
        device="cpu", precision=what, distill=False, accum_freq=1, skip_scheduler=False, grad_clip_norm=None, rank=0,
        local_rank=0, log_every_n_steps=5, world_size=1, wandb=False, batch_size=ids.shape[1], horovod=False,
    )  # fmt: skip
    optimizer, loss = adamw(model), Losses()
    schedule = cosine_lr(optimizer, OPTIMISATION["lr"], OPTIMISATION["warmup_steps"], len(ids))
    train_one_epoch(model, {"train": data}, loss, 0, optimizer, None, schedule, None, args)
    ended, began = (cpu_s(), time.perf_counter()), data.marks[1]
    print(json.dumps({
        "losses": [float(value) for value in loss.given], "cpu_s": ended[0] - began[0], "wall_s": ended[1] - began[1],
        "versions": {name: version(name) for name in ("open_clip_torch", "torch")},
    }))  # fmt: skip


def adamw(model: nn.Module) -> torch.optim.Optimizer:
    """Return the optimizer that open_clip's `main` makes."""
    named = [(name, value) for name, value in model.named_parameters() if value.requires_grad]
    bare = [
        name
        for name, value in named
        if value.ndim < 2 or any(part in name for part in ("bn", "ln", "bias", "logit_scale"))
    ]
    groups = [
        {"params": [value for name, value in named if name in bare], "weight_decay": 0.0},
        {"params": [value for name, value in named if name not in bare], "weight_decay": OPTIMISATION["weight_decay"]},
    ]
    return torch.optim.AdamW(groups, lr=OPTIMISATION["lr"], betas=OPTIMISATION["betas"], eps=OPTIMISATION["eps"])


if __name__ == "__main__":
    main()
