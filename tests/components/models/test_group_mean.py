import torch

from components.models.group_mean import group_mean


def test_each_group_has_the_mean_of_its_rows_and_each_row_its_group():
    rows = torch.tensor([[1.0, 0.0], [3.0, 2.0], [5.0, 4.0]], requires_grad=True)
    means, own = group_mean(rows, torch.tensor([7, -1, 7]))
    assert means.tolist() == [[3.0, 2.0], [3.0, 2.0]]
    assert own.tolist() == [1, 0, 1]
    means[1].sum().backward()
    assert rows.grad.tolist() == [[0.5, 0.5], [0.0, 0.0], [0.5, 0.5]]
