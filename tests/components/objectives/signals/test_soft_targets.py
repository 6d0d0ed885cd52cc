"""Rows that sum to one: by sample, by id, spread, and blended with a teacher's."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from components.contracts.directions import Directions
from components.contracts.errors import ConfigError
from components.contracts.gathered import Gathered
from components.contracts.method import Clock
from components.objectives.signals.soft_targets import SoftTargets
from components.objectives.softmax import SoftmaxLoss

PAIRS = 4
SIDE = torch.randn(PAIRS, 3, generator=torch.Generator().manual_seed(0))


def logits(columns: int = PAIRS) -> Directions:
    draw = torch.Generator().manual_seed(columns)
    rows, others = (torch.randn(PAIRS, columns, generator=draw).requires_grad_() for _ in range(2))
    return Directions(image_to_text=rows, text_to_image=others)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("ids", [None, torch.tensor([7, 1, 7, 7])])
@pytest.mark.parametrize("noise", [None, torch.tensor([0.0, 1.0, 0.3, 0.0])])
@pytest.mark.parametrize("teacher", [None, logits(), logits(columns=6)])
def test_every_row_sums_to_one_and_has_no_gradient(smoothing, ids, noise, teacher):
    targets = SoftTargets(smoothing=smoothing, blend=0.4)(SIDE, SIDE, ids=ids, noise=noise, teacher=teacher)
    for rows in (targets.image_to_text, targets.text_to_image):
        torch.testing.assert_close(rows.sum(1), torch.ones(PAIRS))
        assert (rows >= 0).all()
        assert not rows.requires_grad


def test_with_nothing_asked_for_they_are_what_losses_take_by_themselves():
    text, owner = torch.randn(5, 3), torch.tensor([0, 0, 1, 2, 3])
    captions = Gathered(local=text, all=text, owner=owner)
    targets = SoftTargets()(SIDE, captions)
    assert targets.image_to_text[0].tolist() == [0.5, 0.5, 0, 0, 0]
    assert targets.text_to_image.argmax(1).tolist() == owner.tolist()
    loss, scale = SoftmaxLoss(), torch.tensor(5.0)
    torch.testing.assert_close(loss(SIDE, captions, scale, targets=targets), loss(SIDE, captions, scale))


def test_rows_of_one_id_share_their_columns():
    rows = SoftTargets()(SIDE, SIDE, ids=torch.tensor([7, 1, 7, 7])).image_to_text
    third = 1 / 3
    wanted = [[third, 0, third, third], [0, 1, 0, 0], [third, 0, third, third], [third, 0, third, third]]
    torch.testing.assert_close(rows, torch.tensor(wanted))


def test_ids_of_a_rank_are_looked_up_by_where_its_rows_stand():
    second = Gathered(local=SIDE[2:], all=SIDE, offset=2, ranks=2)
    whole = SoftTargets()(SIDE, SIDE, ids=torch.tensor([7, 1, 1, 7]))
    part = SoftTargets()(second, second, ids=torch.tensor([7, 1, 1, 7]))
    assert torch.equal(part.image_to_text, whole.image_to_text[2:])


def test_what_is_spread_is_the_fixed_share_and_the_samples_noise():
    rows = SoftTargets(smoothing=0.2)(SIDE, SIDE, noise=torch.tensor([0.0, 1.0, 0.5, 0.0])).image_to_text
    assert rows[0].tolist() == pytest.approx([0.8 + 0.05, 0.05, 0.05, 0.05])
    assert rows[1].tolist() == pytest.approx([0.25] * 4)
    assert rows[2].tolist() == pytest.approx([0.15, 0.15, 0.4 + 0.15, 0.15])


def test_smoothing_is_torchs():
    scores = logits().image_to_text.detach()
    wanted = cross_entropy(scores, torch.arange(PAIRS), label_smoothing=0.1)
    rows = SoftTargets(smoothing=0.1)(SIDE, SIDE).image_to_text
    torch.testing.assert_close(cross_entropy(scores, rows), wanted)


def test_the_teachers_share_is_its_softmax_and_reaches_a_queue():
    said = logits(columns=6)
    rows = SoftTargets(blend=0.4)(SIDE, SIDE, teacher=said).image_to_text
    hard = torch.eye(PAIRS, 6)
    torch.testing.assert_close(rows, 0.6 * hard + 0.4 * said.image_to_text.detach().softmax(1))


@pytest.mark.parametrize(("step", "share"), [(0, 0.0), (5, 0.2), (10, 0.4), (40, 0.4)])
def test_the_blend_rises_in_a_line(step, share):
    said, clock = logits(), Clock(step=step, total_steps=40, epoch=0)
    rows = SoftTargets(blend=0.4, ramp=0.25)(SIDE, SIDE, teacher=said, clock=clock).image_to_text
    wanted = (1 - share) * torch.eye(PAIRS) + share * said.image_to_text.detach().softmax(1)
    torch.testing.assert_close(rows, wanted)


def test_a_ramp_without_a_clock_is_refused():
    with pytest.raises(ConfigError, match="gives no clock"):
        SoftTargets(blend=0.4, ramp=0.1)(SIDE, SIDE, teacher=logits())


@pytest.mark.parametrize("numbers", [{"smoothing": 1.0}, {"blend": 1.1}, {"ramp": -0.1}, {"blend": float("nan")}])
def test_what_is_no_share_is_refused(numbers):
    with pytest.raises(ConfigError, match="share"):
        SoftTargets(**numbers)
