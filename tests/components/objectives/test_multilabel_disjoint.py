"""Multi-label disjoint loss: it is what its derivation says, its two sides do not move each other, and no size of logits breaks it.

Axes: B pictures, C clusters.
"""

import json
import math
from pathlib import Path

import pytest
import torch

from components.objectives.multilabel_disjoint import MultiLabelDisjointLoss
from tests.golden.make_multilabel_disjoint import drawn, written_out

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "multilabel_disjoint.json").read_text())
FORMS = ("mlcd", "mlc", "bce", "softmax")


def gradient(form: str, logits: torch.Tensor, positive: torch.Tensor) -> torch.Tensor:
    leaf = logits.clone().requires_grad_()
    MultiLabelDisjointLoss(form)(leaf, positive).backward()
    return leaf.grad


@pytest.mark.parametrize("form", FORMS)
def test_value_and_gradient_are_those_written_out(form):
    logits, positive = torch.tensor(GOLDEN["logits"]), torch.tensor(GOLDEN["positive"])
    told = GOLDEN["forms"][form]
    assert MultiLabelDisjointLoss(form)(logits, positive).item() == pytest.approx(told["loss"], rel=1e-5)
    torch.testing.assert_close(gradient(form, logits, positive), torch.tensor(told["gradient"]), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("seed", range(5))
def test_the_factorised_form_is_the_expanded_one(seed):
    logits, positive = drawn(seed)
    for form in ("mlcd", "mlc"):
        torch.testing.assert_close(
            MultiLabelDisjointLoss(form)(logits, positive), written_out(form, logits, positive), rtol=1e-5, atol=0
        )


def test_one_side_does_not_move_the_other_where_the_two_are_disjoint():
    logits, positive = drawn(1)
    others, own = logits + 2.0 * ~positive, logits + 2.0 * positive
    torch.testing.assert_close(
        gradient("mlcd", logits, positive)[positive], gradient("mlcd", others, positive)[positive]
    )
    torch.testing.assert_close(
        gradient("mlcd", logits, positive)[~positive], gradient("mlcd", own, positive)[~positive]
    )
    for form in ("mlc", "softmax"):
        moved = gradient(form, others, positive)[positive] - gradient(form, logits, positive)[positive]
        assert moved.abs().max() > 1e-3


def test_of_logits_of_0_it_is_known():
    positive = torch.zeros(4, 10, dtype=torch.bool)
    positive[:, :3] = True
    loss = MultiLabelDisjointLoss()(torch.zeros(4, 10), positive)
    assert loss.item() == pytest.approx(math.log(1 + 7) + math.log(1 + 3), rel=1e-6)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [64.0, 1e4])
def test_large_logits_stay_finite(form, size):
    logits, positive = drawn(2)
    extreme = size * logits.sign().float()
    assert torch.isfinite(MultiLabelDisjointLoss(form)(extreme, positive))
    assert torch.isfinite(gradient(form, extreme, positive)).all()


def test_a_picture_without_a_cluster_loses_by_the_others_alone():
    logits, positive = drawn(3)
    positive[0] = False
    for form, expected in (("mlcd", torch.log1p(logits[0].exp().sum())), ("softmax", torch.tensor(0.0).double())):
        torch.testing.assert_close(MultiLabelDisjointLoss(form).of_each(logits, positive)[0], expected)
        assert torch.isfinite(gradient(form, logits, positive)).all()


def test_a_picture_that_is_of_all_loses_by_its_own_alone():
    logits, positive = drawn(4)
    positive[0] = True
    found = MultiLabelDisjointLoss().of_each(logits, positive)[0]
    torch.testing.assert_close(found, torch.log1p((-logits[0]).exp().sum()))
