"""The probe that begins at the texts: its ends are known, and where it stops nothing pulls any more."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import logsumexp
from torch.nn.functional import cross_entropy, normalize

from components.contracts.errors import ConfigError
from components.finetuning.labels.linear_probe import LinearProbe, probed

SCALE = 10.0


@pytest.fixture
def data():
    draw = torch.Generator().manual_seed(0)
    start = normalize(torch.randn(3, 8, generator=draw, dtype=torch.double), dim=-1)
    label = torch.arange(90) % 3
    centres = normalize(torch.randn(3, 8, generator=draw, dtype=torch.double), dim=-1)
    image = normalize(centres[label] + 0.5 * torch.randn(90, 8, generator=draw, dtype=torch.double), dim=-1)
    return image, label, start


def loss(image, label, start, rows, penalty):
    now = normalize(rows, dim=-1)
    return cross_entropy(SCALE * image @ now.T, label) + penalty * (now - start).square().sum()


def test_a_strong_penalty_leaves_the_texts_and_a_weak_one_fits_the_pictures(data):
    image, label, start = data
    strong, weak = (probed(image, label, start, start, SCALE, penalty) for penalty in (1e6, 1e-4))
    torch.testing.assert_close(strong, start, atol=1e-4, rtol=0)
    right = [((image @ rows.T).argmax(1) == label).double().mean() for rows in (start, weak)]
    assert right[1] > right[0]
    torch.testing.assert_close(weak.norm(dim=1), torch.ones(3, dtype=torch.double))


@pytest.mark.parametrize("penalty", [1.0, 0.01])
def test_where_it_stops_nothing_pulls_it_any_further(data, penalty):
    image, label, start = data
    rows = probed(image, label, start, start, SCALE, penalty).requires_grad_(True)
    loss(image, label, start, rows, penalty).backward()
    assert rows.grad.abs().max() < 1e-4


def test_it_ends_where_scipys_solver_ends_with_numbers_of_its_own(data):
    image, label, start = data

    def cost(free: np.ndarray) -> float:
        rows = free.reshape(3, 8) / np.linalg.norm(free.reshape(3, 8), axis=1, keepdims=True)
        logits = SCALE * image.numpy() @ rows.T
        right = logits[np.arange(len(label)), label.numpy()]
        return float((logsumexp(logits, axis=1) - right).mean() + 0.1 * ((rows - start.numpy()) ** 2).sum())

    found = minimize(cost, start.numpy().ravel(), tol=1e-9).x.reshape(3, 8)
    wanted = torch.from_numpy(found / np.linalg.norm(found, axis=1, keepdims=True))
    torch.testing.assert_close(probed(image, label, start, start, SCALE, 0.1), wanted, atol=1e-3, rtol=0)


@pytest.mark.parametrize("wrong", [{"penalties": []}, {"penalties": [0.0]}, {"slopes": []}, {"slopes": [-1.0]}])
def test_numbers_out_of_range_are_said(wrong):
    with pytest.raises(ConfigError, match="one of each is needed"):
        LinearProbe(**wrong)
