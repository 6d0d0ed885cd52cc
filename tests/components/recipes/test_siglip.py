"""The recipe `siglip`: the same wiring as `clip` with another contrast, two known steps, and a bias that must be there."""

import json
from pathlib import Path

import pytest
import torch
from open_clip.loss import SigLipLoss
from torch.nn.functional import normalize

from components.contracts.errors import ConfigError
from components.contracts.method import Clock
from components.methods.clip import Clip
from components.models.dual_encoder import DualEncoder
from components.models.projection import LogitScale
from components.objectives.sigmoid import SigmoidLoss
from components.objectives.softmax import SoftmaxLoss
from tests.golden.make_clip_debug import STEPS, batches_at_debug, first_losses
from tests.squares import method_at_debug

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "siglip_debug.json").read_text())
START = Clock(step=0, total_steps=8, epoch=0)


@pytest.fixture
def siglip(vocabulary):
    return method_at_debug(vocabulary, "siglip")


@pytest.fixture
def batch(vocabulary):
    return batches_at_debug(vocabulary, "siglip")[0]


def test_its_one_term_is_open_clips_loss_of_its_own_embeddings(siglip, batch):
    losses = siglip.losses(batch, START)
    image = siglip.model.encode_image(batch.images["main"]).pooled
    text = siglip.model.encode_text(batch.texts["caption"]).pooled
    slope, bias = siglip.model.logit_scale(), siglip.model.logit_scale.bias
    peer = SigLipLoss()(normalize(image, dim=-1), normalize(text, dim=-1), slope, bias)
    assert list(losses.terms) == ["contrast"]
    torch.testing.assert_close(losses.terms["contrast"], peer, rtol=1e-5, atol=0)


def test_scale_and_bias_start_where_the_paper_starts_them_and_are_only_seen(siglip, batch):
    seen = siglip.losses(batch, START).seen
    assert {name: value.item() for name, value in seen.items()} == pytest.approx({"scale": 10.0, "bias": -10.0})
    assert not any(value.requires_grad for value in seen.values())


def test_the_first_steps_lose_what_they_lost(siglip, vocabulary):
    losses = first_losses(siglip, vocabulary, name="siglip")
    assert len(losses) == STEPS
    assert losses[0] == pytest.approx(GOLDEN["losses"][0], rel=1e-5)  # as of `clip`: see test_clip.py
    assert losses[1] == pytest.approx(GOLDEN["losses"][1], rel=2e-3)


@pytest.mark.parametrize(
    ("objective", "bias", "said"),
    [(SigmoidLoss(), None, "SigmoidLoss .* has no bias .*-10"), (SoftmaxLoss(), -10.0, "has a bias, but SoftmaxLoss")],
)
def test_a_bias_that_is_missing_or_idle_is_refused(siglip, objective, bias, said):
    towers = siglip.model
    with pytest.raises(ConfigError, match=said):
        Clip(DualEncoder(towers.image, towers.text, logit_scale=LogitScale(bias=bias)), objective)
