"""CLIP as its recipe has it: what it computes, two known steps, and a scale that keeps its bound (seed 56, property 5)."""

import json
import math
from pathlib import Path

import open_clip
import pytest
import torch
from torch.nn.functional import normalize

from components.contracts.method import Clock
from tests.golden.make_clip_debug import STEPS, batches_at_debug, first_losses

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
