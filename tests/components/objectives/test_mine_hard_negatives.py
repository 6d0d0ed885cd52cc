"""Any contrast of mined negatives alone: by hand, with labels that a method gives, and against sentence_transformers' pairs."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize, softplus

from components.contracts.errors import ConfigError
from components.contracts.method import Clock
from components.methods.clip import Clip
from components.objectives.matryoshka import Matryoshka
from components.objectives.mine_hard_negatives import MineHardNegatives
from components.objectives.sigmoid import SigmoidLoss
from components.objectives.signals.hard_negatives import HardNegatives
from components.objectives.softmax import SoftmaxLoss
from tests.golden.make_clip_debug import batches_at_debug

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "mine_hard_negatives.json").read_text())
START = Clock(step=0, total_steps=8, epoch=0)


def features() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    image, text = torch.tensor(GOLDEN["image"]), torch.tensor(GOLDEN["text"])
    return image, text, 5 * normalize(image, dim=-1) @ normalize(text, dim=-1).T


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: str(case["asked"]))
def test_the_loss_is_that_of_right_answers_and_the_peers_negatives(case):
    image, text, scores = features()
    takes_part = torch.eye(len(image), dtype=torch.bool)
    for row, negatives in enumerate(case["negatives"]):
        takes_part[row, negatives] = True
    wanted = cross_entropy(scores.masked_fill(~takes_part, -torch.inf), torch.arange(len(image)))
    mined = MineHardNegatives(SoftmaxLoss(image_share=1.0), HardNegatives(**case["asked"]))
    torch.testing.assert_close(mined(image, text, torch.tensor(5.0)), wanted)


def test_each_direction_of_a_sigmoid_counts_its_own_negatives_half():
    image, text, scores = features()
    signal, bias, right = HardNegatives(take=2), torch.tensor(-3.0), torch.eye(len(image), dtype=torch.bool)
    mined = signal(image, text)
    share = (mined.image_to_text.float() + mined.text_to_image.T.float()) / 2
    logits = scores + bias
    wanted = (softplus(-logits[right]).sum() + (share * softplus(logits)).sum()) / len(image)
    loss = MineHardNegatives(SigmoidLoss(), signal)(image, text, torch.tensor(5.0), bias)
    torch.testing.assert_close(loss, wanted)


def test_with_all_negatives_it_is_the_contrast_alone():
    image, text, _ = features()
    scale, bias = torch.tensor(5.0), torch.tensor(-3.0)
    soft, pairwise = (MineHardNegatives(one, HardNegatives()) for one in (SoftmaxLoss(), SigmoidLoss()))
    torch.testing.assert_close(soft(image, text, scale), SoftmaxLoss()(image, text, scale))
    torch.testing.assert_close(pairwise(image, text, scale, bias), SigmoidLoss()(image, text, scale, bias))


def test_a_mask_that_a_method_brings_holds_besides():
    image, text, scores = features()
    only = torch.zeros(len(image), len(image), dtype=torch.bool)
    only[0, 1] = True
    loss = MineHardNegatives(SoftmaxLoss(image_share=1.0), HardNegatives())(image, text, torch.tensor(5.0), mask=only)
    wanted = math.log(1 + math.exp(scores[0, 1] - scores[0, 0])) / len(image)
    assert loss.item() == pytest.approx(wanted, rel=1e-5)


def test_no_gradient_comes_from_pairs_that_were_not_mined():
    image, text, _ = features()
    text.requires_grad_()
    MineHardNegatives(SoftmaxLoss(image_share=1.0), HardNegatives(most=-0.999))(
        image, text, torch.tensor(5.0)
    ).backward()
    assert not text.grad.any()  # no candidate is left, so nothing is to be told apart


def test_wrappers_stand_around_each_other_in_either_order():
    image, text, _ = features()
    signal, scale = HardNegatives(skip=1, take=2), torch.tensor(5.0)
    outer = Matryoshka(MineHardNegatives(SoftmaxLoss(), signal), widths=(3,))
    mined = MineHardNegatives(SoftmaxLoss(), signal)
    torch.testing.assert_close(
        outer(image, text, scale), mined(image, text, scale) + mined(image[:, :3], text[:, :3], scale)
    )
    inner = MineHardNegatives(Matryoshka(SoftmaxLoss(), widths=(3,)), signal)
    mask, plain = signal(image, text), SoftmaxLoss()
    wanted = plain(image, text, scale, mask=mask) + plain(image[:, :3], text[:, :3], scale, mask=mask)
    torch.testing.assert_close(inner(image, text, scale), wanted)
    assert outer.wants_labels
    assert outer.innermost is outer.objective.objective


def test_a_method_labels_what_shows_the_same_and_what_says_the_same(clip, vocabulary):
    """Two samples of one concept, two of one caption: with the pairs that stand for each other masked by hand, the same loss."""
    batch = batches_at_debug(vocabulary)[0]
    concept, ids = torch.arange(len(batch)), batch.texts["caption"].ids.clone()
    concept[3], ids[5] = concept[0], ids[2]
    mask = batch.texts["caption"].mask.clone()
    mask[5] = mask[2]
    batch = replace(
        batch, ids={"concept": concept}, texts={"caption": replace(batch.texts["caption"], ids=ids, mask=mask)}
    )
    mined = Clip(clip.model, MineHardNegatives(SoftmaxLoss(), HardNegatives()))
    image = clip.model.encode_image(batch.images["main"]).pooled
    text = clip.model.encode_text(batch.texts["caption"]).pooled
    open_ = torch.ones(len(batch), len(batch), dtype=torch.bool)
    for one, other in ((0, 3), (2, 5)):
        open_[one, other] = open_[other, one] = False
    wanted = SoftmaxLoss()(image, text, clip.model.logit_scale(), mask=open_)
    torch.testing.assert_close(mined.losses(batch, START).terms["contrast"], wanted)
    assert abs(wanted - SoftmaxLoss()(image, text, clip.model.logit_scale())) > 1e-3


def test_blocks_are_refused_since_mining_looks_at_all_scores():
    with pytest.raises(ConfigError, match="objective has a block"):
        MineHardNegatives(Matryoshka(SoftmaxLoss(block=4)), HardNegatives())
