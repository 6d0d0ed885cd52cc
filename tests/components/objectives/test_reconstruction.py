"""Rows drawn to where they should be: the mean of squares, and a gradient of the rows alone."""

import torch
from torch.nn.functional import mse_loss

from components.objectives.reconstruction import Reconstruction


def test_value_and_gradient_are_the_mean_of_squares():
    rows, target = torch.randn(4, 6, requires_grad=True), torch.randn(4, 6)
    loss = Reconstruction()(rows, target)
    torch.testing.assert_close(loss, mse_loss(rows, target))
    loss.backward()
    torch.testing.assert_close(rows.grad, 2 * (rows.detach() - target) / (4 * 6))


def test_it_is_nothing_where_rows_are_there():
    rows = torch.randn(3, 5)
    assert Reconstruction()(rows, rows.clone()) == 0


def test_no_gradient_goes_through_the_target():
    rows, target = torch.randn(2, 3, requires_grad=True), torch.randn(2, 3, requires_grad=True)
    Reconstruction()(rows, target).backward()
    assert target.grad is None


def test_it_is_a_float32_in_bf16():
    loss = Reconstruction()(torch.randn(2, 3).bfloat16(), torch.randn(2, 3))
    assert loss.dtype == torch.float32
