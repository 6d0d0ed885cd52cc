"""DreamLIP: what its terms are, that they are CLIP's where there is nothing to add, over ranks, and two known steps (seed 10)."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from components.contracts.batch import Texts
from components.contracts.encoded import TOKENS
from components.contracts.errors import CapabilityError, ConfigError
from components.contracts.method import Clock
from components.methods.clip import Clip
from components.methods.dreamlip import DreamLip
from components.models.dual_encoder import DualEncoder
from components.models.text_grouped import text_grouped
from components.objectives.softmax import SoftmaxLoss
from components.recipes.recipe import load_recipe
from components.training.grad_cache import GradCache
from components.training.param_groups import param_groups
from tests.components.methods.dreamlip_ranks import MODES, outcome, told
from tests.components.training.gathering import WIDTH, Pixels, Words
from tests.golden.make_clip_debug import STEPS, batches_at_debug, first_losses
from tests.over_ranks import check_same, told_by_ranks
from tests.squares import REPOSITORY, method_at_debug, square_pool, told_at_length

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "dreamlip_debug.json").read_text())
START = Clock(step=0, total_steps=8, epoch=0)


@pytest.fixture
def dreamlip(vocabulary) -> DreamLip:
    """Return the recipe's method; in evaluation, so that a batch norm has no batch's statistics."""
    method = method_at_debug(vocabulary, "dreamlip").eval()
    assert isinstance(method, DreamLip)
    return method


@pytest.fixture(scope="module")
def batch(vocabulary):
    return batches_at_debug(vocabulary, "dreamlip", told_at_length(square_pool()))[0]


def repeated(texts: Texts, count: int) -> Texts:
    """Return each text so many times, one after the other."""
    owner = torch.arange(len(texts.ids)).repeat_interleave(count)
    return Texts(ids=texts.ids.repeat_interleave(count, 0), mask=texts.mask.repeat_interleave(count, 0), owner=owner)


def with_sentences(batch, sentence: Texts):
    return replace(batch, texts={**batch.texts, "sentence": sentence})


def clip_of(method: DreamLip, batch) -> torch.Tensor:
    return Clip(method.model, SoftmaxLoss()).losses(batch, START).terms["contrast"]


def test_without_sentences_and_groups_it_is_clip_to_the_bit(dreamlip, batch):
    alone = with_sentences(batch, repeated(batch.texts["caption"], 0))
    terms = DreamLip(dreamlip.model, group=0.0).losses(alone, START).terms
    assert list(terms) == ["contrast"]
    assert torch.equal(terms["contrast"], clip_of(dreamlip, batch))


def test_sentences_that_are_the_caption_again_leave_clips_contrast(dreamlip, batch):
    again = with_sentences(batch, repeated(batch.texts["caption"], 3))
    torch.testing.assert_close(dreamlip.losses(again, START).terms["contrast"], clip_of(dreamlip, batch))


def test_both_terms_are_what_they_are_by_hand(dreamlip, batch):
    dreamlip.group_scale.log_scale.data.fill_(1.0)
    terms = dreamlip.losses(batch, START).terms
    image = dreamlip.model.encode_image(batch.images["main"], (TOKENS,))
    caption, sentence = (dreamlip.model.encode_text(batch.texts[name]).pooled for name in ("caption", "sentence"))
    said = [caption, *sentence.unflatten(0, (len(batch), 3)).unbind(1)]
    right, scale = torch.arange(len(batch)), dreamlip.model.logit_scale()
    each = []
    for slot in said:
        scores = scale * normalize(image.pooled, dim=-1) @ normalize(slot, dim=-1).T
        each.append((cross_entropy(scores, right) + cross_entropy(scores.T, right)) / 2)
    torch.testing.assert_close(terms["contrast"], sum(each) / 4)
    grouped = [text_grouped(image.tokens, slot[:, None])[:, 0] for slot in said]
    scores = (
        torch.e * torch.cat(grouped) @ normalize(torch.cat(said), dim=-1).T
    )  # in another order, which changes nothing
    right = torch.arange(len(scores))
    torch.testing.assert_close(terms["group"], (cross_entropy(scores, right) + cross_entropy(scores.T, right)) / 2)


def test_weights_are_of_the_terms_and_a_shared_scale_is_the_models(dreamlip, batch):
    one = DreamLip(dreamlip.model, scale="shared").losses(batch, START)
    other = DreamLip(dreamlip.model, scale="shared", contrast=0.5, group=3.0).losses(batch, START)
    torch.testing.assert_close(other.terms["contrast"], 0.5 * one.terms["contrast"])
    torch.testing.assert_close(other.terms["group"], 3 * one.terms["group"])
    assert torch.equal(one.seen["group_scale"], one.seen["scale"])


def test_gradients_reach_every_parameter_and_a_scale_of_its_own_is_learnt(dreamlip, batch):
    for gain in (p for p in dreamlip.parameters() if p.ndim == 1):
        torch.nn.init.normal_(gain)
    sum(dreamlip.train().losses(batch, START).terms.values()).backward()
    assert [name for name, p in dreamlip.named_parameters() if p.grad is None or not p.grad.any()] == []
    optimisation = load_recipe(REPOSITORY, "dreamlip", "debug").training.optimisation
    learns = {id(p) for group in param_groups(dreamlip, optimisation) for p in group["params"]}
    assert id(dreamlip.group_scale.log_scale) in learns


def test_weights_that_are_taken_as_they_are_change_the_gradient_and_not_the_loss(dreamlip, batch):
    losses, gradients = [], []
    for detach in (False, True):
        loss = DreamLip(dreamlip.model, contrast=0.0, detach_weights=detach).losses(batch, START).terms["group"]
        losses.append(loss.item())
        (gradient,) = torch.autograd.grad(loss, dreamlip.model.text_projection.linear.weight)
        gradients.append(gradient)
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    assert not torch.allclose(*gradients, rtol=1e-2)


def test_a_batch_in_parts_has_the_gradient_of_the_whole(dreamlip, batch):
    cache, weight = GradCache(dreamlip.model, micro_batch=5), dreamlip.model.image_projection.linear.weight
    sum(dreamlip.losses(batch, START).terms.values()).backward()
    whole, weight.grad = weight.grad, None
    with cache.caching():
        sum(dreamlip.losses(batch, START).terms.values()).backward()
    cache.replay()
    torch.testing.assert_close(weight.grad, whole, rtol=1e-4, atol=1e-6)


def test_how_many_pictures_lend_a_caption_for_a_sentence_is_seen(dreamlip, batch):
    given = torch.tensor([0, 1] * (len(batch) // 2))
    some = replace(batch, ids={**batch.ids, "sentence_given": given})
    assert dreamlip.losses(batch, START).seen["fallback_raw"].item() == 0
    assert dreamlip.losses(some, START).seen["fallback_raw"].item() == pytest.approx(0.5)


def test_a_batch_has_each_sentence_of_its_own_pictures_once(batch, vocabulary):
    """Of three sentences all three are drawn, and the same ones at the same step."""
    pool = told_at_length(square_pool())
    again = batches_at_debug(vocabulary, "dreamlip", pool)[0]
    assert torch.equal(again.texts["sentence"].ids, batch.texts["sentence"].ids)
    for row, drawn in enumerate(batch.texts["sentence"].ids.split(3)):
        long = pool.captions[pool.keys.index(batch.keys[row])][1]
        own = vocabulary([f"{one}." for one in long.removesuffix(".").split(". ")])
        wanted = sorted(ids[mask].tolist() for ids, mask in zip(own.ids, own.mask, strict=True))
        assert sorted([token for token in ids if token] for ids in drawn.tolist()) == wanted


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    return told_by_ranks("tests.components.methods.dreamlip_ranks", tmp_path_factory.mktemp("ranks"), world=2)


@pytest.mark.parametrize("mode", MODES)
def test_two_ranks_equal_one_in_value_and_in_the_gradient_of_every_parameter(mode, ranks):
    one, (first, second) = outcome(mode), (rank[mode] for rank in ranks)
    assert first == second
    check_same(first, one)
    assert all(torch.tensor(gradient).any() for gradient in one["gradients"].values())


def test_the_first_steps_lose_what_they_lost(vocabulary):
    method = method_at_debug(vocabulary, "dreamlip")
    losses = first_losses(method, vocabulary, name="dreamlip", pool=told_at_length(square_pool()))
    assert len(losses) == STEPS
    assert losses[0] == pytest.approx(GOLDEN["losses"][0], rel=1e-5)
    assert losses[1] == pytest.approx(GOLDEN["losses"][1], rel=2e-3)


def test_it_learns(vocabulary):
    method = method_at_debug(vocabulary, "dreamlip")
    losses = first_losses(method, vocabulary, steps=8, name="dreamlip", pool=told_at_length(square_pool()))
    assert losses[-1] < losses[0] - 0.3


def test_both_scales_keep_their_bound(dreamlip):
    scales = (dreamlip.model.logit_scale, dreamlip.group_scale)
    with torch.no_grad():
        for scale in scales:
            scale.log_scale.fill_(9.0)
    dreamlip.after_step(START)
    assert [scale().item() for scale in scales] == pytest.approx([100, 100])


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({"contrast": -1.0}, "the weights are contrast -1, group 1"),
        ({"contrast": 0.0, "group": 0.0}, "one of them more than 0"),
        ({"threshold": -1.0}, "threshold is -1.0.* Use null"),
        ({"threshold": 1.5}, "threshold is 1.5"),
    ],
)
def test_numbers_that_mean_nothing_are_refused(dreamlip, numbers, said):
    with pytest.raises(ConfigError, match=said):
        DreamLip(dreamlip.model, **numbers)


def test_a_batch_without_sentences_is_refused_with_what_to_write(dreamlip, vocabulary):
    with pytest.raises(ConfigError, match=r"training: \{texts: .*sentence: \{kinds"):
        dreamlip.losses(batches_at_debug(vocabulary, "clip")[0], START)


def test_a_tower_without_tokens_is_refused_unless_nothing_is_grouped():
    model = DualEncoder(Pixels(), Words(), width=WIDTH)
    with pytest.raises(CapabilityError, match="gives no tokens"):
        DreamLip(model).losses(told(0, 1), START)
    assert DreamLip(model, group=0.0).losses(told(0, 1), START).terms
