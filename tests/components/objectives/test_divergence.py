"""The divergence of a student from its teachers: open_clip's numbers, a matrix by hand, and nothing where both say the same."""

import math

import open_clip
import pytest
import torch
from torch.nn.functional import normalize

from components.contracts.gathered import Gathered
from components.objectives.divergence import divergence


@pytest.fixture
def rows():
    draw = torch.Generator().manual_seed(4)
    return [torch.randn(6, width, generator=draw) for width in (5, 5, 3, 3, 7, 7)]


def teacher(image, text, scale=20.0):
    return scale * normalize(image, dim=-1), normalize(text, dim=-1)


def entropy(image, text):
    """Of a teacher's rows and columns, their mean."""
    logits = image @ text.T
    return sum(-(side.softmax(1) * side.log_softmax(1)).sum(1).mean() for side in (logits, logits.T)) / 2


def test_value_and_gradient_are_open_clips_but_for_the_teachers_entropy(rows):
    image, text = rows[0].requires_grad_(), rows[1].requires_grad_()
    scale, said = torch.tensor(10.0, requires_grad=True), teacher(*rows[2:4])
    ours = divergence(image, text, scale, [said])
    _, peer = open_clip.loss.DistillClipLoss()(
        normalize(image, dim=-1), normalize(text, dim=-1), scale, said[0] / 20, said[1], torch.tensor(20.0)
    )
    torch.testing.assert_close(ours + entropy(*said), peer, rtol=1e-5, atol=0)
    for one, other in zip(*(torch.autograd.grad(loss, (image, text, scale)) for loss in (ours, peer)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_two_by_two_by_hand():
    """The student sees no difference, so each row is a half and a half; the teacher says 3 : 1 of its own."""
    image, text = torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    said = math.log(3) * torch.eye(2), torch.eye(2)
    wanted = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert float(divergence(image, text, torch.tensor(9.0), [said])) == pytest.approx(wanted, rel=1e-6)


def test_who_says_what_the_teacher_says_is_not_apart(rows):
    image, text = rows[:2]
    assert float(divergence(image, text, torch.tensor(20.0), [teacher(image, text)])) == pytest.approx(0, abs=1e-6)
    assert divergence(image, text, torch.tensor(19.0), [teacher(image, text)]) > 0


def test_several_teachers_count_alike(rows):
    one, two = teacher(*rows[2:4]), teacher(*rows[4:6], scale=5.0)
    alone = [divergence(*rows[:2], torch.tensor(10.0), [said]) for said in (one, two)]
    torch.testing.assert_close(divergence(*rows[:2], torch.tensor(10.0), [one, two]), sum(alone) / 2, rtol=1e-5, atol=0)


def test_sharpness_multiplies_the_teachers_logits(rows):
    sharper = divergence(*rows[:2], torch.tensor(10.0), [teacher(*rows[2:4])], sharpness=1.5)
    torch.testing.assert_close(sharper, divergence(*rows[:2], torch.tensor(10.0), [teacher(*rows[2:4], scale=30.0)]))


@pytest.mark.parametrize("block", [1, 4, 6, 100])
def test_blocks_of_rows_change_nothing(rows, block):
    outcomes = []
    for size in (None, block):
        inputs = [*(one.clone().requires_grad_() for one in rows[:2]), torch.tensor(10.0, requires_grad=True)]
        loss = divergence(*inputs, [teacher(*rows[2:4]), teacher(*rows[4:6])], block=size)
        outcomes.append((loss, *torch.autograd.grad(loss, inputs)))
    for whole, in_blocks in zip(*outcomes, strict=True):
        torch.testing.assert_close(in_blocks, whole, rtol=1e-5, atol=1e-6)


def test_it_is_exact_where_the_rest_is_in_bf16(rows):
    whole = divergence(*rows[:2], torch.tensor(100.0), [teacher(*rows[2:4], scale=100.0)])
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(divergence(*rows[:2], torch.tensor(100.0), [teacher(*rows[2:4], scale=100.0)]), whole)


def test_teachers_get_no_gradient(rows):
    said = [one.requires_grad_() for one in rows[2:4]]
    divergence(rows[0].requires_grad_(), rows[1], torch.tensor(10.0), [tuple(said)]).backward()
    assert rows[0].grad.abs().sum(1).min() > 0
    assert [one.grad for one in said] == [None, None]


def test_several_captions_of_a_picture_are_columns_of_their_own(rows):
    twice, owner = rows[1].repeat_interleave(2, 0), torch.arange(6).repeat_interleave(2)
    text, said = Gathered(local=twice, all=twice, owner=owner), teacher(rows[2], rows[3].repeat_interleave(2, 0))
    theirs = Gathered(local=said[1], all=said[1], owner=owner)
    loss = divergence(rows[0], text, torch.tensor(10.0), [(said[0], theirs)])
    logits = 10 * normalize(rows[0], dim=-1) @ normalize(twice, dim=-1).T
    target = said[0] @ said[1].T
    ways = [(target, logits), (target.T, logits.T)]
    wanted = sum((t.softmax(1) * (t.log_softmax(1) - s.log_softmax(1))).sum(1).mean() for t, s in ways) / 2
    torch.testing.assert_close(loss, wanted, rtol=1e-5, atol=0)
