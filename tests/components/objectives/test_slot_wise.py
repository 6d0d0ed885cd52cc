"""A contrast by slots: by hand, against open_clip's of each slot, and with other numbers of texts (seed 10, properties 1 and 2)."""

import json
from pathlib import Path

import pytest
import torch

from components.contracts.directions import Directions
from components.contracts.errors import ConfigError
from components.contracts.gathered import Gathered
from components.objectives.mine_hard_negatives import MineHardNegatives
from components.objectives.signals.hard_negatives import HardNegatives
from components.objectives.slot_wise import SlotWise, slots
from components.objectives.softmax import SoftmaxLoss

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "slot_wise.json").read_text())
RTOL, ATOL = 1e-5, 1e-6  # as of test_softmax.py
SCALE = torch.tensor(5.0)


def owned(rows: torch.Tensor, *owner: int) -> Gathered:
    return Gathered(local=rows, all=rows, owner=torch.tensor(owner))


def drawn(seed: int, *counts: int) -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return [torch.randn(count, 6, generator=draw) for count in counts]


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: f"scale={case['inputs']['scale']}")
def test_value_and_gradients_are_the_golden_ones(case):
    inputs = {name: torch.tensor(value, requires_grad=True) for name, value in case["inputs"].items()}
    pictures, texts = len(inputs["image"]), len(inputs["text"])
    owner = torch.arange(pictures).repeat_interleave(texts // pictures)
    said = Gathered(local=inputs["text"], all=inputs["text"], owner=owner)
    loss = SlotWise(SoftmaxLoss())(inputs["image"], said, inputs["scale"])
    assert loss.item() == pytest.approx(case["loss"], rel=RTOL)
    loss.backward()
    for name, value in case["gradients"].items():
        torch.testing.assert_close(inputs[name].grad, torch.tensor(value), rtol=RTOL, atol=ATOL)


def test_one_text_a_picture_is_the_contrast_itself_to_the_bit():
    image, text = drawn(1, 4, 4)
    assert torch.equal(SlotWise(SoftmaxLoss())(image, text, SCALE), SoftmaxLoss()(image, text, SCALE))


def test_the_same_text_in_every_slot_is_the_contrast_with_it():
    image, text = drawn(2, 3, 3)
    thrice = owned(text.repeat_interleave(3, 0), 0, 0, 0, 1, 1, 1, 2, 2, 2)
    torch.testing.assert_close(SlotWise(SoftmaxLoss())(image, thrice, SCALE), SoftmaxLoss()(image, text, SCALE))


def test_a_text_of_the_same_picture_in_another_slot_pushes_nothing_away():
    """A second text that is the first of a wrong picture costs less here than where all texts are in one matrix."""
    image = torch.eye(6)[:2]
    said = owned(torch.stack([image[0], image[0], image[1], image[1]]), 0, 0, 1, 1)
    apart = SlotWise(SoftmaxLoss())(image, said, torch.tensor(100.0))
    assert apart.item() < 1e-6
    assert SoftmaxLoss()(image, said, torch.tensor(100.0)).item() > 0.3  # the softmax has to be shared by both texts


def test_which_text_is_in_which_slot():
    said = owned(torch.zeros(6, 6), 0, 0, 0, 1, 2, 2)
    assert slots(said, 3).tolist() == [[0, 3, 4], [1, 3, 5], [2, 3, 4]]


def test_pictures_with_owners_are_told_by_them():
    image, text = drawn(3, 4, 4)
    twice, owner = image.repeat_interleave(2, 0), (0, 0, 1, 1, 2, 2, 3, 3)
    said = owned(text, 0, 1, 2, 3)
    got = SlotWise(SoftmaxLoss())(owned(twice, *owner), said, SCALE)
    torch.testing.assert_close(got, SoftmaxLoss()(owned(twice, *owner), said, SCALE))


def test_what_a_method_brings_besides_is_handed_on_and_a_mask_by_slots():
    image, text, more = drawn(4, 3, 6, 2)
    said, plain = owned(text, 0, 0, 1, 1, 2, 2), SoftmaxLoss()
    mask = torch.rand(3, 6, generator=torch.Generator().manual_seed(5)) > 0.5
    given = {"weights": torch.tensor([1.0, 0.0, 2.0]), "more_texts": more}
    each = [plain(image, text[slot::2], SCALE, mask=mask[:, slot::2], **given) for slot in range(2)]
    torch.testing.assert_close(SlotWise(plain)(image, said, SCALE, mask=mask, **given), sum(each) / 2)


def test_a_mask_of_further_texts_holds_in_every_slot():
    image, text, more = drawn(4, 3, 6, 2)
    said, plain = owned(text, 0, 0, 1, 1, 2, 2), SoftmaxLoss()
    open_ = torch.rand(3, 6, generator=torch.Generator().manual_seed(5)) > 0.5
    further = torch.tensor([[False, False], [False, False], [True, False]])  # one before the last picture alone
    mask = Directions(image_to_text=torch.cat([open_, further], 1), text_to_image=open_.T)
    got = SlotWise(plain)(image, said, SCALE, mask=mask, more_texts=more)
    each = []
    for slot in range(2):
        ours = open_[:, slot::2]
        its = Directions(image_to_text=torch.cat([ours, further], 1), text_to_image=ours.T)
        each.append(plain(image, text[slot::2], SCALE, mask=its, more_texts=more))
    torch.testing.assert_close(got, sum(each) / 2)
    moved = SlotWise(plain)(image, said, SCALE, mask=mask, more_texts=more + torch.tensor([[0.0], [1.0]]))
    assert torch.equal(moved, got), "a text that stands before no picture changes nothing"


def test_mining_stands_around_it():
    image, text = drawn(6, 4, 8)
    said = owned(text, 0, 0, 1, 1, 2, 2, 3, 3)
    mined = MineHardNegatives(SlotWise(SoftmaxLoss()), HardNegatives(take=2))(image, said, SCALE)
    assert mined < SlotWise(SoftmaxLoss())(image, said, SCALE)


@pytest.mark.parametrize(("owner", "said"), [((0, 0, 2), r"\[2, 0, 1\]"), ((0, 1, 2, 3), r"\[1, 1, 1, 1\]")])
def test_a_sample_without_a_text_is_refused(owner, said):
    image, text = drawn(7, 3, len(owner))
    with pytest.raises(ConfigError, match=f"3 samples have {said} texts"):
        SlotWise(SoftmaxLoss())(image, owned(text, *owner), SCALE)
