"""How far a student's matrix of similarities is from its teachers', in both directions.

Source: Vasu et al. 2023, arXiv:2311.17049, section 4.3 (the Kullback-Leibler divergence of each row's softmax, a mean over
teachers). Differs: nothing.
Golden: open_clip DistillClipLoss, whose cross-entropy is this and the teacher's entropy; value and gradient, float32, rtol 1e-5.
Axes: B pairs, D width of the student, E of a teacher, R rows of this rank, C columns they are held against.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from components.contracts.gathered import Side, sides
from components.objectives.blocks import in_blocks


def divergence(
    image: Side,
    text: Side,
    scale: Float[Tensor, ""],
    teachers: Sequence[tuple[Side, Side]],
    sharpness: float = 1.0,
    block: int | None = None,
) -> Float[Tensor, ""]:
    """Return nats per row, the mean of both directions and of all teachers; 0 where the student says what its teacher says.

    Args:
        image: the student's; normalised here.
        text: the same.
        scale: what the student's cosines are multiplied with.
        teachers: pictures and texts of each, in the student's order; products of their rows are logits.
        sharpness: what these are multiplied with.
        block: rows whose scores are there at once; None has all.
    """
    student = [side.map(_unit) for side in sides(image, text)]
    said = [tuple(side.map(_still) for side in sides(*teacher)) for teacher in teachers]

    def part(block: slice, slope: Tensor, *both: Tensor) -> Tensor:
        local, among = both[:2], both[2:]
        total = slope.new_zeros(())
        for way in (0, 1):
            ours = (slope * local[way][block] @ among[1 - way].T).log_softmax(1)
            theirs = ((sharpness * one[way].local[block] @ one[1 - way].all.T).log_softmax(1) for one in said)
            apart = torch.stack([(they.exp() * (they - ours)).sum() for they in theirs]).mean()
            total = total + apart / student[way].rows_a_rank / 2
        return total

    tensors = (scale.float(), *(side.local for side in student), *(side.all for side in student))
    rows = max(len(side.local) for side in student)
    with torch.autocast(student[0].local.device.type, enabled=False):  # eight bits are too few for logits of a hundred
        return part(slice(None), *tensors) if block is None else in_blocks(part, rows, block, *tensors)


def _unit(rows: Tensor) -> Tensor:
    return normalize(rows.float(), dim=-1)


def _still(rows: Tensor) -> Tensor:
    return rows.detach().float()
