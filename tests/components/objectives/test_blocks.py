"""Blocks of rows give what the whole gives, and never make anything as large as the square of the batch."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from components.objectives.blocks import in_blocks
from components.objectives.sigmoid import SigmoidLoss
from components.objectives.softmax import SoftmaxLoss

PAIRS, WIDTH, BLOCK = 256, 8, 16


class Largest(TorchDispatchMode):
    """Remembers the largest tensor that any operation returned."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        self.numbers = max([self.numbers, *(one.numel() for one in tree_leaves(made) if isinstance(one, torch.Tensor))])
        return made


@pytest.mark.parametrize("loss", [SoftmaxLoss, SigmoidLoss])
@pytest.mark.parametrize("block", [None, BLOCK])
def test_no_square_of_the_batch_is_ever_made(loss, block):
    draw = torch.Generator().manual_seed(0)
    sides = [torch.randn(PAIRS, WIDTH, generator=draw).requires_grad_() for _ in range(2)]
    numbers = [torch.tensor(10.0, requires_grad=True) for _ in range(1 + loss.wants_bias)]
    with Largest() as largest:
        loss(block=block)(*sides, *numbers).backward()
    assert largest.numbers == (PAIRS * PAIRS if block is None else PAIRS * BLOCK)


def test_a_tensor_that_stands_twice_has_the_gradient_of_both():
    rows = torch.arange(6.0).requires_grad_()
    total = in_blocks(lambda block, one, other: (one[block] * other.sum()).sum(), 6, 4, rows, rows)
    (total * 3).backward()
    assert total.item() == 15 * 15
    assert rows.grad.tolist() == [3 * 2 * 15] * 6


def test_nothing_is_kept_where_nothing_learns():
    rows, numbers = torch.ones(4), torch.ones(4, requires_grad=True)
    with torch.no_grad():
        assert not in_blocks(lambda block, one: one[block].sum(), 4, 2, numbers).requires_grad
    total = in_blocks(lambda block, one, other: (one[block] * other[block]).sum(), 4, 3, rows, numbers)
    total.backward()
    assert rows.grad is None
    assert numbers.grad.tolist() == [1.0] * 4
