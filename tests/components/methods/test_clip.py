"""CLIP as its recipe has it: what it computes, two known steps, and a scale that keeps its bound (seed 56, property 5)."""

import json
import math
from dataclasses import replace
from pathlib import Path

import open_clip
import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from components.contracts.errors import ConfigError
from components.contracts.method import Clock
from components.contracts.objective import Contrast
from components.methods.clip import Clip
from components.objectives.mine_hard_negatives import MineHardNegatives
from components.objectives.signals.hard_negatives import HardNegatives
from components.objectives.softmax import SoftmaxLoss
from tests.golden.make_clip_debug import STEPS, batches_at_debug, first_losses


class SwapLike(Contrast):
    """A contrast of rows alone."""

    def forward(self, image, text, scale):
        return (image - text).square().mean() * scale


GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "clip_debug.json").read_text())
START = Clock(step=0, total_steps=8, epoch=0)


@pytest.fixture
def batch(vocabulary):
    return batches_at_debug(vocabulary)[0]


def test_its_one_term_is_open_clips_loss_of_its_own_embeddings(clip, batch):
    losses = clip.losses(batch, START)
    image = clip.model.encode_image(batch.images["main"]).pooled
    text = clip.model.encode_text(batch.texts["caption"]).pooled
    peer = open_clip.ClipLoss()(normalize(image, dim=-1), normalize(text, dim=-1), clip.model.logit_scale())
    assert list(losses.terms) == ["contrast"]
    torch.testing.assert_close(losses.terms["contrast"], peer, rtol=1e-5, atol=0)


def test_the_loss_at_the_start_is_log_of_the_batch_where_features_know_nothing(clip, batch):
    torch.nn.init.zeros_(clip.model.text_projection.linear.weight)
    assert clip.losses(batch, START).terms["contrast"].item() == pytest.approx(math.log(len(batch)))


def test_the_scale_is_seen_but_not_learned_from_the_log(clip, batch):
    seen = clip.losses(batch, START).seen["scale"]
    assert seen.item() == pytest.approx(1 / 0.07)
    assert not seen.requires_grad


def test_gradients_reach_every_parameter(clip, batch):
    for gain in (p for p in clip.parameters() if p.ndim == 1):
        torch.nn.init.normal_(
            gain
        )  # timm starts the last gain of a block at 0, which hides the block from the first step
    clip.losses(batch, START).terms["contrast"].backward()
    assert [name for name, p in clip.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_the_first_steps_lose_what_they_lost(clip, vocabulary):
    losses = first_losses(clip, vocabulary)
    assert len(losses) == STEPS
    # The same float32 sums on another chip: 1e-7 apart without AVX and oneDNN.
    assert losses[0] == pytest.approx(GOLDEN["losses"][0], rel=1e-5)
    # The optimizer's first step divides every gradient by its own size, rounding included, and lifts that to 1e-4.
    assert losses[1] == pytest.approx(GOLDEN["losses"][1], rel=2e-3)


def test_the_scale_keeps_its_bound_at_every_step_however_hard_it_is_pushed(clip):
    scale = clip.model.logit_scale
    assert scale.most == 100
    push = torch.optim.SGD(scale.parameters(), lr=0.5, maximize=True)
    seen = []
    for step in range(12):
        push.zero_grad()
        scale.log_scale.backward()
        push.step()
        clip.after_step(Clock(step=step + 1, total_steps=12, epoch=0))
        seen.append(scale().item())
    assert max(seen) <= 100 * (1 + 1e-7)  # log(100) as float32 is that much more
    assert seen[0] < 50
    assert seen[-1] == pytest.approx(100)


def with_negatives(vocabulary, batch, owners, said=("a red square", "nothing like it")):
    texts = replace(vocabulary(said[: len(owners)]), owner=torch.tensor(owners))
    return replace(batch, texts={**batch.texts, "negative": texts})


def test_a_text_that_does_not_fit_is_a_wrong_answer_of_its_own_picture_alone(clip, vocabulary, batch):
    told = with_negatives(vocabulary, batch, [1, 1])
    image = normalize(clip.model.encode_image(batch.images["main"]).pooled, dim=-1)
    text = normalize(clip.model.encode_text(batch.texts["caption"]).pooled, dim=-1)
    wrong = normalize(clip.model.encode_text(told.texts["negative"]).pooled, dim=-1)
    scale, right = clip.model.logit_scale(), torch.arange(len(batch))
    scores = scale * image @ text.T
    rows = [cross_entropy(scores[row : row + 1], right[row : row + 1]) for row in range(len(batch))]
    rows[1] = cross_entropy(scale * image[1:2] @ torch.cat([text, wrong]).T, right[1:2])
    wanted = (torch.stack(rows).mean() + cross_entropy(scores.T, right)) / 2
    torch.testing.assert_close(clip.losses(told, START).terms["contrast"], wanted)


def test_a_step_takes_it_away_from_its_picture(clip, vocabulary, batch):
    told = with_negatives(vocabulary, batch, [2])

    @torch.no_grad()
    def cosine():
        wrong = normalize(clip.model.encode_text(told.texts["negative"]).pooled, dim=-1)
        return float(normalize(clip.model.encode_image(batch.images["main"]).pooled, dim=-1)[2] @ wrong[0])

    before, push = cosine(), torch.optim.SGD(clip.parameters(), lr=1e-3)
    (clip.losses(told, START).terms["contrast"] - clip.losses(batch, START).terms["contrast"]).backward()
    push.step()
    assert cosine() < before


@pytest.mark.parametrize("wraps", [False, True])
def test_mined_negatives_take_them_too(clip, vocabulary, batch, wraps):
    told = with_negatives(vocabulary, batch, [0, 3])
    objective = MineHardNegatives(SoftmaxLoss(), HardNegatives(take=1)) if wraps else SoftmaxLoss()
    method = Clip(clip.model, objective)
    method.check_negatives()
    assert method.losses(told, START).terms["contrast"] > method.losses(batch, START).terms["contrast"]


@pytest.mark.parametrize("objective", [SoftmaxLoss(block=2), SwapLike()], ids=["in blocks", "takes none"])
def test_a_contrast_that_cannot_take_them_is_refused_before_anything_is_trained(clip, objective):
    with pytest.raises(ConfigError, match="cannot hold each against its own picture"):
        Clip(clip.model, objective).check_negatives()
