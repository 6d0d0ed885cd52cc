"""LightCLIP: its three terms, that none of what they need is exported, ranks, and two known steps (seed 52).

Axes: B pairs, L tokens, V vocabulary.
"""

import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy

from components.contracts.batch import Images, Texts
from components.contracts.encoded import TOKENS
from components.contracts.errors import CapabilityError, ConfigError
from components.contracts.method import Clock
from components.data.transforms.token_masker import words_of
from components.methods.clip import Clip
from components.methods.lightclip import LightClip
from components.models.dual_encoder import DualEncoder
from components.objectives.softmax import SoftmaxLoss
from components.objectives.token_match import token_match
from components.recipes.section import build
from components.training.grad_cache import GradCache
from tests.components.methods.lightclip_ranks import MODES, Patches, outcome
from tests.components.training.flat import flat_clip
from tests.golden.make_clip_debug import STEPS, batches_at_debug, first_losses
from tests.over_ranks import check_same, told_by_ranks
from tests.squares import described_at_debug, method_at_debug

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "lightclip_debug.json").read_text())
START, LATE = (Clock(step=step, total_steps=8, epoch=0) for step in (0, 6))


@pytest.fixture(scope="module")
def made(vocabulary) -> LightClip:
    method = method_at_debug(vocabulary, "lightclip")
    assert isinstance(method, LightClip)
    return method


@pytest.fixture
def lightclip(made) -> LightClip:
    return copy.deepcopy(made).eval()  # so that no statistic of a batch moves between two looks


@pytest.fixture(scope="module")
def batch(vocabulary):
    return batches_at_debug(vocabulary, "lightclip")[0]


def terms(method: LightClip, batch, clock: Clock = LATE, seed: int = 3) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)  # as the loop does before each step
    return dict(method.losses(batch, clock).terms)


def rows(method: LightClip | Clip, batch) -> list[torch.Tensor]:
    return [
        method.model.encode_image(batch.images["main"]).pooled,
        method.model.encode_text(batch.texts["caption"]).pooled,
    ]


def test_the_first_term_is_infonce_as_long_as_nothing_is_softened(lightclip, batch):
    plain = SoftmaxLoss()(*rows(lightclip, batch), lightclip.model.logit_scale())
    torch.testing.assert_close(terms(lightclip, batch, START)["instance"], plain)
    hard = LightClip(lightclip.model, soften=0.0, token=0.0, masked=0.0)
    assert torch.equal(terms(hard, batch)["instance"], plain)
    assert not torch.isclose(terms(lightclip, batch)["instance"], plain)


@pytest.mark.parametrize("temperature", [None, 0.1])
def test_the_second_is_cross_entropy_of_matched_words(lightclip, batch, temperature):
    image = lightclip.model.encode_image(batch.images["main"], (TOKENS,))
    text = lightclip.model.encode_text(batch.texts["caption"], (TOKENS,))
    own, right = torch.eye(len(batch), dtype=torch.bool), torch.arange(len(batch))
    words = words_of(batch.texts["caption"].mask)
    scores = lightclip.model.logit_scale() * token_match(image.tokens, text.tokens, words, 1, own, temperature)
    wanted = (cross_entropy(scores, right) + cross_entropy(scores.T, right)) / 2
    method = LightClip(lightclip.model, temperature=temperature).eval()
    torch.testing.assert_close(terms(method, batch)["token"], wanted)


def test_the_third_asks_for_hidden_words_alone(lightclip, batch):
    """It is torch's cross-entropy over all places, those that are not hidden labelled -100."""
    texts, tower = batch.texts["caption"], lightclip.model.text
    torch.manual_seed(3)
    hidden = lightclip.masker(texts, torch.rand(3, *texts.ids.shape))
    assert 0 < hidden.chosen.sum() < words_of(texts.mask).sum()
    tokens = tower(hidden.texts, inject=lightclip.fusion.of(rows(lightclip, batch)[0])).tokens
    logits = lightclip.head(tokens.flatten(0, 1), tower.embedding.weight)  # (B L, V)
    labels = texts.ids.masked_fill(~hidden.chosen, -100).flatten()
    torch.testing.assert_close(terms(lightclip, batch)["masked"], 0.5 * cross_entropy(logits, labels))


@pytest.mark.parametrize("fuse_after", [None, []])
def test_hidden_words_teach_the_picture_tower_only_where_it_is_fused(lightclip, batch, fuse_after):
    method = LightClip(lightclip.model, fuse_after=fuse_after).eval()
    terms(method, batch)["masked"].backward()
    has_learned = [p.grad is not None and bool(p.grad.any()) for p in method.model.image.parameters()]
    assert any(has_learned) == (fuse_after is None)
    assert method.model.text.embedding.weight.grad.any()


def test_contrasts_never_see_a_hidden_word(lightclip, batch):
    one, other = (terms(lightclip, batch, seed=seed) for seed in (3, 4))
    assert torch.equal(one["instance"], other["instance"])
    assert torch.equal(one["token"], other["token"])
    assert not torch.equal(one["masked"], other["masked"])


def test_what_is_exported_is_plain_clip(lightclip, batch, vocabulary):
    """CLIP's model of that size takes these weights, no more and no fewer, and answers the same to the bit."""
    plain = build(described_at_debug(vocabulary, "lightclip"), DualEncoder).eval()
    plain.load_state_dict(lightclip.model.state_dict())
    clip = Clip(plain, SoftmaxLoss())
    for ours, theirs in zip(rows(lightclip, batch), rows(clip, batch), strict=True):
        assert torch.equal(ours, theirs)
    ours, theirs = (dict(method.named_parameters()) for method in (lightclip, clip))
    assert {name.partition(".")[0] for name in set(ours) - set(theirs)} == {"fusion", "head"}


def test_gradients_reach_every_parameter(lightclip, batch):
    lightclip.train()
    for gain in (p for p in lightclip.parameters() if p.ndim == 1):
        torch.nn.init.normal_(gain)
    sum(terms(lightclip, batch).values()).backward()
    assert [name for name, p in lightclip.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_the_first_steps_lose_what_they_lost(lightclip, vocabulary):
    losses = first_losses(lightclip.train(), vocabulary, name="lightclip")
    assert len(losses) == STEPS
    assert losses[0] == pytest.approx(GOLDEN["losses"][0], rel=1e-5)
    assert losses[1] == pytest.approx(GOLDEN["losses"][1], rel=2e-3)


def test_two_ranks_have_the_losses_and_gradients_of_one(tmp_path):
    first, second = told_by_ranks("tests.components.methods.lightclip_ranks", tmp_path, world=2)
    for mode in MODES:
        one = outcome(mode)
        for ours in (first, second):
            check_same(ours[mode], one)


def test_encoded_in_parts_it_is_the_whole_batch(vocabulary, batch):
    plain, cached = (flat_clip(vocabulary).model for _ in range(2))
    images = replace(batch.images["main"], pixels=batch.images["main"].pixels[..., :24, :24])
    small = replace(batch, images={"main": images})
    torch.manual_seed(0)
    one = LightClip(plain, token=0.0)
    torch.manual_seed(0)
    other = LightClip(cached, token=0.0)
    whole = sum(terms(one, small).values())
    whole.backward()
    cache = GradCache(cached, 5)
    with cache.caching():
        loss = sum(terms(other, small).values())
    loss.backward()
    cache.replay()
    torch.testing.assert_close(loss, whole, rtol=1e-5, atol=0)
    for ours, theirs in zip(other.parameters(), one.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-5 * float(theirs.grad.abs().max()))


def test_captions_without_a_word_have_nothing_hidden(lightclip, batch):
    empty = Texts(ids=torch.tensor([[1, 2]] * len(batch)), mask=torch.ones(len(batch), 2, dtype=torch.bool))
    said = terms(lightclip, replace(batch, texts={"caption": empty}))
    assert said["masked"] == 0
    sum(said.values()).backward()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in lightclip.parameters())


def test_texts_with_more_words_than_patches_are_counted(lightclip, batch):
    assert lightclip.losses(batch, START).seen["crowded"] == 0
    tiny = replace(batch, images={"main": Images(pixels=batch.images["main"].pixels[..., :8, :8])})
    assert lightclip.losses(tiny, START).seen["crowded"] == 1  # one patch for words such as: a, red, square


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({"token": -1.0}, "token -1"),
        ({"capacity": 0}, "capacity is 0"),
        ({"temperature": 0.0}, "temperature is 0"),
        ({"soften": 1.0}, "most is 1"),
        ({"mask_share": 0.0}, "mask_share is 0"),
        ({"fuse_after": [7]}, r"fuse_after is \[7\]"),
    ],
)
def test_numbers_that_mean_nothing_are_refused(lightclip, numbers, said):
    with pytest.raises(ConfigError, match=said):
        LightClip(lightclip.model, **numbers)


def test_a_text_tower_that_nothing_can_be_fused_into_is_refused(lightclip):
    with pytest.raises(CapabilityError, match="is a Patches, into which no picture can be fused"):
        LightClip(DualEncoder(lightclip.model.image, Patches()))


def test_the_scale_keeps_its_bound(lightclip):
    with torch.no_grad():
        lightclip.model.logit_scale.log_scale.fill_(9.0)
    lightclip.after_step(START)
    assert lightclip.model.logit_scale().item() == pytest.approx(100)
