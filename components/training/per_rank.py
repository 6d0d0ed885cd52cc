"""What a method keeps on each rank for itself, such as a queue of the rows that rank has seen: saved and brought back by rank."""

import torch.distributed as dist
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from components.contracts.errors import ConfigError
from components.contracts.method import Method
from components.training.framework import L


class PerRank(L.Callback):
    """Keeps the buffers that a method names in `per_rank` different on every rank, over a resume too; all others are the first rank's.

    Args:
        method: names them.

    Raises ConfigError for a name that is no buffer of the method.
    """

    def __init__(self, method: Method) -> None:
        known = dict(method.named_buffers())
        for name in method.per_rank:
            if name not in known:
                raise ConfigError(
                    f"{type(method).__name__}.per_rank has {name!r}, which is no buffer of it, so nothing would be kept. It has "
                    f"{', '.join(known) or 'none'}. Correct the name, or register_buffer it."
                )
        self.names, self.method = method.per_rank, method
        self.kept: dict[str, Tensor] = {}

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Keep DDP, which brings the first rank's buffers to all before every step, away from them."""
        own = [f"method.{name}" for name in self.names]
        DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(pl_module, own)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Bring back this rank's; of a checkpoint of other ranks, those of the rank with its number, begun again after the last."""
        buffers = dict(self.method.named_buffers())
        for name, ranks in self.kept.items():
            buffers[name].copy_(ranks[trainer.global_rank % len(ranks)])
        if self.kept and (before := len(next(iter(self.kept.values())))) != trainer.world_size:
            _say(before, trainer.world_size, self.names)

    def state_dict(self) -> dict[str, Tensor]:
        """Return name -> [W ...], those of all ranks; all of them call it."""
        buffers = dict(self.method.named_buffers())
        return {name: _of_all_ranks(buffers[name]).cpu() for name in self.names}

    def load_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Take over those of the run that is continued."""
        self.kept = state_dict


def _of_all_ranks(own: Tensor) -> Tensor:
    if not (dist.is_available() and dist.is_initialized()):
        return own[None].clone()
    row = own.contiguous().reshape(1, -1)
    rows = row.new_empty(dist.get_world_size(), row.shape[1])
    dist.all_gather_into_tensor(rows, row)
    return rows.view(-1, *own.shape)


@L.pytorch.utilities.rank_zero_only
def _say(before: int, now: int, names: tuple[str, ...]) -> None:
    lost = (
        f"those of ranks {now} to {before - 1} are left out"
        if now < before
        else f"ranks {before} to {now - 1} begin with copies"
    )
    print(
        f"the checkpoint is of {before} ranks and goes on with {now}: of what each keeps for itself ({', '.join(names)}), {lost}; "
        "the training is no longer the same to the bit",
        flush=True,
    )
