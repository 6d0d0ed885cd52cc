"""The rows of all ranks, for a loss that compares each row of the batch with all others.

Source: open_clip's gather_features (peer in tests). Differs: detached rows still give the gradient of one process.
A rank returns the loss of its own rows, or of all of them, and DDP takes the mean of the ranks' gradients; each mode hands
back rows whose gradient makes that mean the gradient that one process with the whole batch has.
Axes: R rows of a rank, B rows of all ranks, D width.
"""

from typing import Any, Literal

import torch
import torch.distributed as dist
from torch import Tensor

from components.contracts.errors import ConfigError
from components.contracts.gathered import Gathered

GatherMode = Literal["none", "features", "ring", "detached"]


class Gather:
    """Makes Gathered of one side of a batch; where there is one rank, of its rows alone.

    Args:
        mode: `none`: each rank is a batch of its own, fewer negatives.
            `features`: a rank's rows against all, whose gradients travel back.
            `ring`: the same, passed on from neighbour to neighbour, for networks where those are nearest.
            `detached`: every rank takes the whole loss, and no gradient travels; more to compute, less to send.
    """

    def __init__(self, mode: GatherMode = "features") -> None:
        self.mode: GatherMode = mode
        self._is_even = False  # asked once, since an answer makes a GPU wait

    def __call__(
        self, rows: Tensor, owner: Tensor | None = None, samples: int | None = None, label: Tensor | None = None
    ) -> Gathered:
        """Return the rows of all ranks.

        Args:
            rows: float [R D]; without owners, as many on each rank.
            owner: int [R], the sample of this rank's batch that each row belongs to.
            samples: samples of this rank's batch, as many on each rank; asked for with owners.
            label: int [R], as of Gathered.

        Raises ConfigError when no owners say whose rows they are and ranks have other numbers of them, at the first call.
        """
        world = dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1
        if world == 1 or self.mode == "none":
            return Gathered(local=rows, all=rows, owner=owner, label=label)
        is_known = owner is None and self._is_even
        counts = [len(rows)] * world if is_known else _counts(len(rows), rows.device)
        if owner is None and len(set(counts)) > 1:
            raise ConfigError(
                f"the ranks have {counts} rows of one kind, so row numbers say nothing of what belongs together. "
                "Give the owner of each row, or a batch that splits evenly."
            )
        self._is_even |= owner is None
        rank, most = dist.get_rank(), max(counts)
        every = _cut(_GATHERS[self.mode].apply(_padded(rows, most)), counts)
        owners = None
        if owner is not None:
            assert samples is not None, "an owner counts within a rank's samples"
            owners = _cut(_blocks(_padded(owner + rank * samples, most)), counts)
        labels = None if label is None else _cut(_blocks(_padded(label, most)), counts)
        if self.mode == "detached":
            return Gathered(local=every, all=every, owner=owners, label=labels)
        return Gathered(local=rows, all=every, offset=sum(counts[:rank]), ranks=world, owner=owners, label=labels)


def place(rows: int) -> tuple[int, slice]:
    """Return how many rows all ranks have together, where each has as many, and which of them are this rank's.

    What is drawn for all of them, and taken from there, is what one process draws.
    """
    is_alone = not (dist.is_available() and dist.is_initialized())
    world, rank = (1, 0) if is_alone else (dist.get_world_size(), dist.get_rank())
    return world * rows, slice(rank * rows, (rank + 1) * rows)


def _counts(count: int, device: torch.device) -> list[int]:
    return [int(one) for one in _blocks(torch.tensor([count], device=device))]


def _blocks(block: Tensor) -> Tensor:
    """Return [W ...], the block of each rank; no gradient."""
    world = dist.get_world_size()
    rows = block.new_empty(world * len(block), *block.shape[1:])
    dist.all_gather_into_tensor(rows, block.detach().contiguous())
    return rows.unflatten(0, (world, len(block)))


def _padded(rows: Tensor, count: int) -> Tensor:
    """Return the rows and zeros after them: what ranks send to each other has one size."""
    return rows if len(rows) == count else torch.cat([rows, rows.new_zeros(count - len(rows), *rows.shape[1:])])


def _cut(blocks: Tensor, counts: list[int]) -> Tensor:
    """Return [B ...]: of each rank's block only what it has."""
    if min(counts) == blocks.shape[1]:
        return blocks.flatten(0, 1)
    return torch.cat([block[:count] for block, count in zip(blocks, counts, strict=True)])


class _Features(torch.autograd.Function):
    """All blocks; each rank's block gets the sum of the gradients that the ranks have for it."""

    @staticmethod
    def forward(ctx: Any, block: Tensor) -> Tensor:
        """Return float [W R D]."""
        return _blocks(block)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        """Return the sum over ranks for our own block."""
        own = grads[0].new_empty(grads[0].shape[1:])
        dist.reduce_scatter_tensor(own, grads[0].flatten(0, 1))
        return own


class _Ring(torch.autograd.Function):
    """The same by W - 1 exchanges between neighbours, each way."""

    @staticmethod
    def forward(ctx: Any, block: Tensor) -> Tensor:
        """Return float [W R D]."""
        rank, world = dist.get_rank(), dist.get_world_size()
        blocks = block.new_empty(world, *block.shape)
        blocks[rank] = passed = block.detach().contiguous()
        for turn in range(1, world):
            passed = _pass_on(passed)
            blocks[(rank - turn) % world] = passed
        return blocks

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        """Return the sum for our own block: each is added to on its way once around."""
        rank, world = dist.get_rank(), dist.get_world_size()
        passed = grads[0][(rank - 1) % world].contiguous()  # what we have for the one behind goes around to it
        for turn in range(1, world):
            passed = _pass_on(passed) + grads[0][(rank - 1 - turn) % world]
        return passed


class _Detached(torch.autograd.Function):
    """All blocks; only our own has a gradient. Every rank has the whole of it, and the mean over ranks would be one W-th."""

    @staticmethod
    def forward(ctx: Any, block: Tensor) -> Tensor:
        """Return float [W R D]."""
        return _blocks(block)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        """Return W times our own part."""
        return grads[0][dist.get_rank()] * dist.get_world_size()


_GATHERS: dict[str, type[torch.autograd.Function]] = {"features": _Features, "ring": _Ring, "detached": _Detached}


def _pass_on(block: Tensor) -> Tensor:
    """Send a block to the next rank, and return the one that comes from the rank before."""
    rank, world = dist.get_rank(), dist.get_world_size()
    got = torch.empty_like(block)
    ahead, behind = (rank + 1) % world, (rank - 1) % world
    for work in dist.batch_isend_irecv([dist.P2POp(dist.isend, block, ahead), dist.P2POp(dist.irecv, got, behind)]):
        work.wait()
    return got
