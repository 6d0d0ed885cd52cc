"""ALIP: weights of its two contrasts, means over ranks and over a stop, and what it refuses (seed 12)."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from components.contracts.errors import ConfigError
from components.contracts.method import Clock
from components.methods.alip import Alip
from components.training.checkpoints import keys_that_differ
from components.training.grad_cache import GradCache
from tests.components.methods.alip_ranks import MODES, outcome
from tests.components.training.flat import flat_clip
from tests.golden.make_alip_debug import told_twice
from tests.golden.make_clip_debug import STEPS, batches_at_debug, first_losses
from tests.over_ranks import check_same, told_by_ranks
from tests.squares import clip_at_debug, method_at_debug

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "alip_debug.json").read_text())
START = Clock(step=0, total_steps=8, epoch=0)


@pytest.fixture
def alip(vocabulary) -> Alip:
    return Alip(clip_at_debug(vocabulary).model)


@pytest.fixture
def batch(vocabulary):
    """Pictures with their texts, and as captions the same but for some that are another's."""
    plain = batches_at_debug(vocabulary)[0]
    raw = plain.texts["caption"]
    order = torch.arange(len(plain))
    order[:6] = order[:6].roll(1)
    return replace(plain, texts={**plain.texts, "synthetic": replace(raw, ids=raw.ids[order], mask=raw.mask[order])})


def embedded(alip: Alip, batch) -> list[torch.Tensor]:
    encoded = [alip.model.encode_image(batch.images["main"])]
    encoded += [alip.model.encode_text(batch.texts[name]) for name in ("caption", "synthetic")]
    return [normalize(one.pooled.float(), dim=-1) for one in encoded]


def contrast(alip: Alip, image: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
    """Return [B], each sample's loss: half of its row and half of its column."""
    scores, right = alip.model.logit_scale() * image @ text.T, torch.arange(len(image))
    return (
        cross_entropy(scores, right, reduction="none") + cross_entropy(scores.T, right, reduction="none")
    ) / 2  # fmt: skip


def set_means(alip: Alip) -> None:
    """Let the two texts of a sample disagree where they are not the same."""
    for gate, mean in zip(alip.gates.children(), (0.999, 0.3, 0.3), strict=True):
        gate.mean.fill_(mean)


def test_its_terms_are_means_of_each_samples_loss_times_its_weight(alip, batch):
    alip.eval()
    set_means(alip)
    terms = alip.losses(batch, START).terms
    image, raw, made = embedded(alip, batch)
    agree, fits_raw, fits_made = ((one * other).sum(1) for one, other in ((raw, made), (image, raw), (image, made)))
    sample, fails = torch.exp(2 * (agree - 0.999)).clamp(max=1), agree < 0.999
    assert fails.tolist() == [row < 6 for row in range(len(batch))]
    for name, text, fits in (("raw", raw, fits_raw), ("caption", made, fits_made)):
        weights = sample * torch.where(fails, torch.exp(2 * (fits - 0.3)), 1.0)
        torch.testing.assert_close(terms[name], (weights * contrast(alip, image, text)).mean())


def test_a_gamma_of_zero_is_two_plain_contrasts(alip, batch):
    plain = Alip(alip.model, gamma=0.0).eval()
    image, raw, made = embedded(plain, batch)
    terms = plain.losses(batch, START).terms
    torch.testing.assert_close(terms["raw"], contrast(plain, image, raw).mean())
    torch.testing.assert_close(terms["caption"], contrast(plain, image, made).mean())


def test_two_texts_that_are_the_same_count_whole_and_alike(alip, batch):
    same = replace(batch, texts={name: batch.texts["caption"] for name in batch.texts})
    alip.gates.language.mean.fill_(0.99)
    losses = alip.losses(same, START)
    assert losses.seen["weight.sample"] == 1
    assert losses.seen["gated"] == 0
    torch.testing.assert_close(losses.terms["raw"], losses.terms["caption"])


def test_weights_are_no_part_of_the_gradient(alip, batch):
    """The same gradient as with weights that are written down before."""
    alip.eval()
    set_means(alip)
    sum(alip.losses(batch, START).terms.values()).backward()
    had = [one.grad.clone() for one in alip.model.parameters()]
    alip.zero_grad()
    image, raw, made = embedded(alip, batch)
    believed = alip.gates(image, raw, made)
    loss = believed.raw_pair.clone() * contrast(alip, image, raw)
    loss = loss + believed.caption_pair.clone() * contrast(alip, image, made)
    loss.mean().backward()
    for one, before in zip(alip.model.parameters(), had, strict=True):
        torch.testing.assert_close(one.grad, before, rtol=1e-4, atol=1e-6)
    assert not any(one.requires_grad for one in (believed.sample, believed.raw, believed.caption))


def test_a_caption_that_is_missing_is_counted_and_teaches_nothing(alip, batch):
    lacks = torch.zeros(len(batch), dtype=torch.int64)
    losses = alip.losses(replace(batch, ids={**batch.ids, "synthetic_given": lacks}), START)
    assert losses.terms["caption"] == 0
    assert losses.seen["given.synthetic"] == 0
    image, raw, _ = embedded(alip, batch)
    torch.testing.assert_close(losses.terms["raw"], contrast(alip, image, raw).mean(), rtol=1e-4, atol=1e-5)
    assert alip.gates.language.mean == 1


def test_what_is_logged_says_how_much_counts(alip, batch):
    given = (torch.arange(len(batch)) >= 4).long()
    seen = alip.losses(replace(batch, ids={**batch.ids, "synthetic_given": given}), START).seen
    assert seen["given.synthetic"] == 12 / 16
    assert seen["gated"] == 2 / 16  # of the six whose texts differ, those that have both
    assert 0 < seen["weight.sample"] < 1
    assert seen["mean.language"] == alip.gates.language.mean
    assert not any(one.requires_grad for one in seen.values())


def test_the_first_steps_of_the_recipe_lose_what_they_lost(vocabulary):
    method = method_at_debug(vocabulary, "alip")
    losses = first_losses(method, vocabulary, name="alip", pool=told_twice())
    assert len(losses) == STEPS
    assert losses[0] == pytest.approx(GOLDEN["losses"][0], rel=1e-4)
    # AdamW's first step is as large for a gradient near 0 as for any, so what processors round otherwise shows after it.
    assert losses == pytest.approx(GOLDEN["losses"], rel=1e-3)
    assert method.gates.language.mean < 1


def test_encoded_in_parts_it_is_the_whole_batch(vocabulary, batch):
    plain, cached = (Alip(flat_clip(vocabulary).model) for _ in range(2))
    images = replace(batch.images["main"], pixels=batch.images["main"].pixels[..., :24, :24])
    small = replace(batch, images={"main": images})
    whole = sum(plain.losses(small, START).terms.values())
    whole.backward()
    cache = GradCache(cached.model, 5)
    with cache.caching():
        loss = sum(cached.losses(small, START).terms.values())
    loss.backward()
    cache.replay()
    torch.testing.assert_close(loss, whole, rtol=1e-5, atol=0)
    assert torch.equal(cached.gates.raw.mean, plain.gates.raw.mean)
    for one, other in zip(cached.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-5 * float(other.grad.abs().max()))


def test_two_ranks_have_the_losses_gradients_and_means_of_one(tmp_path):
    first, second = told_by_ranks("tests.components.methods.alip_ranks", tmp_path, world=2)
    for mode in MODES:
        one = outcome(mode)
        assert first[mode]["means"] == second[mode]["means"]
        assert first[mode]["means"] == pytest.approx(one["means"], rel=1e-6)
        assert first[mode]["losses"] == pytest.approx(one["losses"], rel=1e-5)
        check_same(first[mode], one)


def test_a_checkpoint_without_running_means_is_another_models(alip):
    """A training is not gone on with from it; a start, which has weights alone, begins with means of its own."""
    kept = {name: value for name, value in alip.state_dict().items() if "gates" not in name}
    (said,) = keys_that_differ(kept, alip.state_dict())
    assert said.startswith("it lacks gates.")
    assert not any("gates" in name for name in alip.model.state_dict())


def test_batches_without_a_second_text_are_refused(alip, batch):
    with pytest.raises(ConfigError, match=r"no texts called 'synthetic'.*training\.texts"):
        alip.losses(replace(batch, texts={"caption": batch.texts["caption"]}), START)


def test_several_texts_of_a_kind_are_refused(alip, batch):
    raw = batch.texts["caption"]
    owner = torch.arange(len(batch)).repeat_interleave(2)
    twice = replace(raw, ids=raw.ids[owner], mask=raw.mask[owner], owner=owner)
    with pytest.raises(ConfigError, match=r"32 texts called 'synthetic' for 16 samples.*count"):
        alip.losses(replace(batch, texts={**batch.texts, "synthetic": twice}), START)


@pytest.mark.parametrize(
    ("numbers", "said"),
    [({"gamma": -1.0}, "gamma is -1"), ({"momentum": 1.0}, "momentum is 1"), ({"gather": "none"}, "gather is none")],
)
def test_numbers_that_mean_nothing_are_refused(alip, numbers, said):
    with pytest.raises(ConfigError, match=said):
        Alip(alip.model, **numbers)


def test_the_scale_keeps_its_bound(alip):
    with torch.no_grad():
        alip.model.logit_scale.log_scale.fill_(9.0)
    alip.after_step(START)
    assert alip.model.logit_scale().item() == pytest.approx(100)
