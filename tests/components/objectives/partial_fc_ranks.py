"""PartialFC over ranks: `python -m tests.components.objectives.partial_fc_ranks FOLDER WORLD RANK`, one file a rank.

Three steps, of which the last has fewer pictures on the last rank: loss, gradients as DDP leaves them, and all rows afterwards. Called as a
function without ranks, it is the one process that they are compared with.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from components.objectives.multilabel_disjoint import MultiLabelDisjointLoss
from components.objectives.over_ranks import nearest_is_own
from components.objectives.partial_fc import PartialFC
from components.training.gather import Gather
from tests.over_ranks import be_a_rank

CLASSES, WIDTH, LABELS = 13, 5, 2  # rows that do not split evenly
BATCHES = ((4, 4), (4, 4), (4, 3))  # pictures of either rank
RATIOS = (1.0, 0.3)
STEP = {"lr": 0.05, "betas": (0.9, 0.99), "eps": 1e-6, "weight_decay": 0.01}


class Head(nn.Module):
    """A tower of one map, and the rows behind it: what goes in is pictures of this rank with their labels."""

    def __init__(self, ratio: float, form: str) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.tower, self.rows = nn.Linear(6, WIDTH), PartialFC(CLASSES, WIDTH, ratio=ratio, scale=8.0)
        self.loss, self.gather = MultiLabelDisjointLoss(form), Gather("features")

    def forward(self, pictures: Tensor, labels: Tensor, seed: int) -> Tensor:
        gathered = self.gather(self.tower(pictures), torch.arange(len(pictures)), len(pictures), labels)
        looked = self.rows(gathered.all, gathered.label, seed)
        self.nearest = float(nearest_is_own(looked.logits.detach(), looked.is_positive))
        return self.loss(looked.logits, looked.is_positive)


def drawn(step: int) -> tuple[Tensor, Tensor]:
    """Return the pictures of a batch, and their labels."""
    draw, count = torch.Generator().manual_seed(step), sum(BATCHES[step])
    labels = torch.rand(count, CLASSES, generator=draw).topk(LABELS, dim=1).indices
    return torch.randn(count, 6, generator=draw), labels


def outcome(ratio: float, form: str = "mlcd", rank: int = 0, world: int = 1) -> dict[str, Any]:
    """Return the loss and the tower's gradient at each step, the rows that were looked at, and all rows with their moments."""
    head = Head(ratio, form)
    head.rows.spread(rank, world)
    among = DistributedDataParallel(head) if world > 1 else head
    said: dict[str, Any] = {"steps": [], "parameters": [name for name, _ in head.named_parameters()]}
    for step, sizes in enumerate(BATCHES):
        pictures, labels = drawn(step)
        ours = slice(0, sum(sizes)) if world == 1 else slice(sum(sizes[:rank]), sum(sizes[: rank + 1]))
        head.zero_grad()
        loss = among(pictures[ours], labels[ours], step)
        loss.backward()
        rows = whole(head.rows.gradient(), world)
        head.rows.step(**STEP)
        said["steps"].append(
            {
                "loss": float(loss),
                "tower": head.tower.weight.grad.tolist(),
                "rows": rows.tolist(),
                "nearest": head.nearest,
            }
        )
    said["whole"] = {name: kept.tolist() for name, kept in head.rows.whole().items()}
    said["has"] = [head.rows.begin, len(head.rows.rows)]
    return said


def without_a_row(rank: int = 0, world: int = 1) -> dict[str, float]:
    """Return what a step says that looks at rows of the first rank alone."""
    torch.manual_seed(2)
    rows, labels = PartialFC(8, WIDTH, ratio=0.1), torch.tensor([[0], [1], [1]])
    seed = next(seed for seed in range(100) if int(rows.chosen(labels, seed).max()) < 4)
    features = torch.randn(3, WIDTH)
    rows.spread(rank, world)
    looked = rows(features, labels, seed)
    return {
        "columns": looked.logits.shape[1],
        "nearest": float(nearest_is_own(looked.logits.detach(), looked.is_positive)),
    }


def whole(part: Tensor, world: int) -> Tensor:
    """Return the parts of all ranks, one after the other."""
    if world == 1:
        return part
    parts: list[Any] = [None] * world
    dist.all_gather_object(parts, part)
    return torch.cat(parts)


if __name__ == "__main__":
    be_a_rank(
        lambda rank, world: (
            {
                f"{form} {ratio}": outcome(ratio, form, rank, world)
                for form in ("mlcd", "bce", "softmax")
                for ratio in RATIOS
            }
            | {"without": without_a_row(rank, world)}
        )
    )
