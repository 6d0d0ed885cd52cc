"""CLIP-rocket: its terms by hand, CLIP where there is nothing to add, its four extras, over ranks, and two known steps (seed 38)."""

import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cosine_similarity, cross_entropy, normalize

from components.contracts.batch import Batch, Images, Texts
from components.contracts.errors import CapabilityError, ConfigError
from components.contracts.method import Clock
from components.methods.clip import Clip
from components.methods.clip_rocket import ClipRocket, Extra, Local
from components.models.dual_encoder import DualEncoder
from components.objectives.barlow import BarlowLoss
from components.objectives.softmax import SoftmaxLoss
from components.objectives.swap import SwapLoss
from components.training.grad_cache import GradCache
from tests.components.methods.clip_rocket_ranks import CASES, outcome, told
from tests.components.training.flat import flat_clip
from tests.components.training.gathering import WIDTH, Pixels, Words
from tests.golden.make_clip_debug import STEPS, batches_at_debug, first_losses
from tests.over_ranks import check_same, told_by_ranks
from tests.squares import clip_at_debug, method_at_debug

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "clip_rocket_debug.json").read_text())
START = Clock(step=0, total_steps=8, epoch=0)
PAIRS = ((0, 0), (0, 1), (1, 0), (1, 1))


@pytest.fixture
def rocket(vocabulary) -> ClipRocket:
    """Return the recipe's method; in evaluation, so that a tower's batch norm has no batch's statistics."""
    method = method_at_debug(vocabulary, "clip_rocket").eval()
    assert isinstance(method, ClipRocket)
    return method


@pytest.fixture(scope="module")
def batch(vocabulary) -> Batch:
    return batches_at_debug(vocabulary, "clip_rocket")[0]


def with_extra(rocket: ClipRocket, **numbers) -> ClipRocket:
    torch.manual_seed(1)
    return ClipRocket(rocket.model, local=Local(hidden=2), extra=Extra(hidden=6, width=4, **numbers)).eval()


def clip_of(method: ClipRocket, batch: Batch) -> torch.Tensor:
    return Clip(method.model, SoftmaxLoss()).losses(batch, START).terms["contrast"]


def both_ways(scores: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
    right = torch.arange(len(scores))
    return sum(cross_entropy(side, right, label_smoothing=smoothing) for side in (scores, scores.T)) / 2


def features(method: ClipRocket, batch: Batch) -> dict[str, list[torch.Tensor]]:
    """Return what the towers say of the weak view and of each strong one."""
    model = method.model
    found = {}
    for side, views, encode in (("image", batch.images, model.encode_image), ("text", batch.texts, model.encode_text)):
        weak, strong = (encode(views[name]).features for name in ("main" if side == "image" else "caption", "strong"))
        found[side] = [weak, strong[::2], strong[1::2]]
    return found


def test_without_strong_views_it_is_clip_to_the_bit(rocket, batch):
    weak = replace(batch, images={"main": batch.images["main"]}, texts={"caption": batch.texts["caption"]})
    terms = rocket.losses(weak, START).terms
    assert list(terms) == ["weak"]
    assert torch.equal(terms["weak"], clip_of(rocket, weak))


def test_strong_views_that_are_the_weak_ones_under_its_own_heads_leave_clips_contrast(rocket, batch):
    twice = torch.arange(len(batch)).repeat_interleave(2)
    main, caption = batch.images["main"], batch.texts["caption"]
    same = replace(
        batch,
        images={"main": main, "strong": Images(pixels=main.pixels[twice], owner=twice)},
        texts={"caption": caption, "strong": Texts(ids=caption.ids[twice], mask=caption.mask[twice], owner=twice)},
    )
    shared = ClipRocket(rocket.model, local=Local(heads="shared", smoothing=0.0)).eval()
    terms = shared.losses(same, START).terms
    torch.testing.assert_close(sum(terms.values()), clip_of(shared, same))
    torch.testing.assert_close(terms["strong"], 2 * terms["weak"])
    doubled = ClipRocket(rocket.model, local=Local(heads="shared", smoothing=0.0), total="sum").eval()
    torch.testing.assert_close(sum(doubled.losses(same, START).terms.values()), 2 * clip_of(shared, same))


def test_both_terms_are_what_they_are_by_hand(rocket, batch):
    terms, found = rocket.losses(batch, START).terms, features(rocket, batch)
    torch.testing.assert_close(terms["weak"], clip_of(rocket, batch) / 3)
    heads = {side: [normalize(rocket.heads[side](view), dim=1) for view in found[side][1:]] for side in found}
    each = [both_ways(10 * heads["image"][a] @ heads["text"][b].T, smoothing=0.1) for a, b in PAIRS]
    torch.testing.assert_close(terms["strong"], 2 / 3 * sum(each) / 4, rtol=1e-4, atol=1e-5)


def test_barlow_is_of_the_weak_pair_and_of_all_strong_ones(rocket, batch):
    method = with_extra(rocket, kind="barlow")
    found = {side: [method.projectors[side](view) for view in views] for side, views in features(method, batch).items()}
    each = [BarlowLoss()(found["image"][a], found["text"][b]) for a, b in ((0, 0), *((a + 1, b + 1) for a, b in PAIRS))]
    torch.testing.assert_close(method.losses(batch, START).terms["barlow"], sum(each) / 5, rtol=1e-4, atol=1e-6)


def test_swap_is_of_strong_pairs_against_the_other_views_of_both(rocket, batch):
    method, found = with_extra(rocket, kind="swap", weight=0.2), features(rocket, batch)
    rows = {side: [method.heads[side](view) for view in found[side][1:]] for side in found}
    scale = torch.tensor(10.0)
    each = [
        SwapLoss()(rows["image"][a], rows["text"][b], scale, rows["image"][1 - a], rows["text"][1 - b])
        for a, b in PAIRS
    ]
    torch.testing.assert_close(method.losses(batch, START).terms["swap"], 0.2 * sum(each) / 4, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["siam", "byol"])
def test_what_a_predictor_looks_for_has_no_gradient_and_of_byol_is_the_slow_copys(kind, rocket, batch):
    """Value and gradient of the towers are those by hand, targets written down before."""
    method = with_extra(rocket, kind=kind, momentum=0.9)
    weight = method.model.text_projection.linear.weight
    if kind == "byol":
        with torch.no_grad():  # the model moves on, its slow copy stays
            method.projectors["text"][0].weight += 0.5
            method.model.text.embedding.weight += 0.5
    with torch.no_grad():
        if kind == "byol":
            slow = Clip(method.teacher.model, SoftmaxLoss())
            wanted = {
                side: [method.slow[side](view) for view in views] for side, views in features(slow, batch).items()
            }
        else:
            now = features(method, batch)
            wanted = {side: [method.projectors[side](view) for view in now[side]] for side in now}
    found = {
        side: [method.predictors[side](method.projectors[side](view)) for view in views]
        for side, views in features(method, batch).items()
    }
    each = []
    for a, b in ((0, 0), *((a + 1, b + 1) for a, b in PAIRS)):
        for own, other, at, to in (("image", "text", a, b), ("text", "image", b, a)):
            each.append(2 - 2 * cosine_similarity(found[own][at], wanted[other][to]).mean())
    by_hand = sum(each) / 10
    term = method.losses(batch, START).terms[kind]
    torch.testing.assert_close(term, by_hand, rtol=1e-4, atol=1e-5)
    for part in (method.model.text.embedding.weight, method.projectors["image"][0].weight):
        ours, theirs = (torch.autograd.grad(one, part, retain_graph=True)[0] for one in (term, by_hand))
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-6)
    assert weight.grad is None


def test_the_slow_copy_keeps_its_share_of_its_weights_at_each_step(rocket, batch):
    method = with_extra(rocket, kind="byol", momentum=0.9)
    slow, fast = method.slow["image"][0].weight, method.projectors["image"][0].weight
    towers = method.teacher.model.text.embedding.weight, method.model.text.embedding.weight
    with torch.no_grad():
        fast += 1
        towers[1].add_(1.0)
    before = slow.clone(), towers[0].clone()
    method.after_step(START)
    torch.testing.assert_close(slow, 0.9 * before[0] + 0.1 * fast)
    torch.testing.assert_close(towers[0], 0.9 * before[1] + 0.1 * towers[1])
    method.losses(batch, START).terms["byol"].backward()
    assert not any(
        one.requires_grad or one.grad is not None for part in (method.slow, method.teacher) for one in part.parameters()
    )


@pytest.mark.parametrize("kind", ["none", "siam", "byol", "barlow", "swap"])
def test_gradients_reach_every_parameter_that_learns(kind, rocket, batch):
    method = with_extra(rocket, kind=kind).train()
    for gain in (weight for weight in method.parameters() if weight.ndim == 1 and weight.requires_grad):
        torch.nn.init.normal_(gain)
    sum(method.losses(batch, START).terms.values()).backward()
    learns = {name: weight for name, weight in method.named_parameters() if weight.requires_grad}
    still = [name for name, weight in learns.items() if weight.grad is None or not weight.grad.any()]
    assert still == []


def test_the_exported_model_is_clips_of_that_size(rocket, vocabulary, batch):
    """Nothing of the training is in it, and with the same weights it gives the same answers."""
    clip = clip_at_debug(vocabulary, seed=3).eval()
    ours, theirs = with_extra(rocket, kind="byol").model.state_dict(), clip.model.state_dict()
    assert {name: value.shape for name, value in ours.items()} == {name: value.shape for name, value in theirs.items()}
    clip.model.load_state_dict(ours)
    for verb, rows in (("encode_image", batch.images["main"]), ("encode_text", batch.texts["caption"])):
        assert torch.equal(getattr(rocket.model, verb)(rows).pooled, getattr(clip.model, verb)(rows).pooled)


def test_running_statistics_of_a_tower_are_of_weak_views(rocket, batch):
    def statistics() -> dict[str, torch.Tensor]:
        return {name: value.clone() for name, value in rocket.model.image.named_buffers() if "running" in name}

    alone = copy.deepcopy(rocket.model.image).train()
    before = statistics()
    rocket.train().losses(batch, START)
    alone(batch.images["main"])
    wanted = dict(alone.named_buffers())
    for name, value in statistics().items():
        assert torch.equal(value, wanted[name])
        assert not torch.equal(value, before[name])
    assert all(part.momentum == 0.1 for part in rocket.model.image.modules() if hasattr(part, "running_mean"))


def test_only_strong_texts_are_read_with_numbers_left_out_and_only_in_training(rocket, batch):
    def terms(method: ClipRocket, seed: int) -> dict[str, torch.Tensor]:
        torch.manual_seed(seed)
        return method.losses(batch, START).terms

    torch.manual_seed(1)
    method = ClipRocket(rocket.model, local=Local(hidden=2, drop=0.2)).eval()
    one, other = terms(method, 0), terms(method, 1)
    assert torch.equal(one["strong"], other["strong"])
    method.model.text.train()
    one, other = terms(method, 0), terms(method, 1)
    assert torch.equal(one["weak"], other["weak"])
    assert not torch.isclose(one["strong"], other["strong"])


def test_a_batch_in_parts_has_the_gradient_of_the_whole(vocabulary, batch):
    small = replace(
        batch, images={name: replace(view, pixels=view.pixels[..., :24, :24]) for name, view in batch.images.items()}
    )
    torch.manual_seed(1)
    method = ClipRocket(flat_clip(vocabulary).model, local=Local(hidden=2, drop=0.2))
    cache, weight = GradCache(method.model, micro_batch=32), method.model.text.embedding.weight
    with cache.caching():
        torch.manual_seed(0)
        sum(method.losses(small, START).terms.values()).backward()
    cache.replay()
    in_parts, weight.grad = weight.grad, None
    torch.manual_seed(0)
    sum(method.losses(small, START).terms.values()).backward()
    torch.testing.assert_close(in_parts, weight.grad, rtol=1e-4, atol=1e-6)


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    return told_by_ranks("tests.components.methods.clip_rocket_ranks", tmp_path_factory.mktemp("ranks"), world=2)


@pytest.mark.parametrize(("mode", "kind"), CASES)
def test_two_ranks_equal_one_in_value_and_in_the_gradient_of_every_parameter(mode, kind, ranks):
    one, (first, second) = outcome(mode, kind), (rank[f"{mode} {kind}"] for rank in ranks)
    assert first == second
    check_same(first, one)
    assert [name for name, gradient in one["gradients"].items() if not torch.tensor(gradient).any()] == []


def test_the_first_steps_lose_what_they_lost_and_it_learns(vocabulary):
    losses = first_losses(method_at_debug(vocabulary, "clip_rocket"), vocabulary, steps=8, name="clip_rocket")
    two = first_losses(method_at_debug(vocabulary, "clip_rocket"), vocabulary, name="clip_rocket")
    assert len(two) == STEPS
    assert two[0] == pytest.approx(GOLDEN["losses"][0], rel=1e-5)
    assert two[1] == pytest.approx(GOLDEN["losses"][1], rel=2e-3)
    assert losses[-1] < losses[0] - 0.1


def test_both_scales_keep_their_bound(rocket):
    scales = (rocket.model.logit_scale, rocket.scale)
    with torch.no_grad():
        for scale in scales:
            scale.log_scale.fill_(9.0)
    rocket.after_step(START)
    assert [scale().item() for scale in scales] == pytest.approx([100, 100])


def test_other_numbers_of_strong_pictures_and_texts_are_refused(rocket, batch):
    with pytest.raises(ConfigError, match=r"2 strong pictures and 0 strong texts .*views: \{main"):
        rocket.losses(replace(batch, texts={"caption": batch.texts["caption"]}), START)
    many = replace(batch, texts={**batch.texts, "caption": batch.texts["strong"]})
    with pytest.raises(ConfigError, match="32 captions for 16 samples"):
        rocket.losses(many, START)


def test_one_strong_view_has_no_other_to_find_codes_in(rocket, batch):
    first = torch.arange(0, 2 * len(batch), 2)
    texts = batch.texts["strong"]
    one = replace(
        batch,
        images={**batch.images, "strong": Images(pixels=batch.images["strong"].pixels[first])},
        texts={**batch.texts, "strong": Texts(ids=texts.ids[first], mask=texts.mask[first])},
    )
    assert set(rocket.losses(one, START).terms) == {"weak", "strong"}
    with pytest.raises(ConfigError, match="there are 1 of each sample"):
        with_extra(rocket, kind="swap").losses(one, START)


def test_a_tower_that_leaves_nothing_out_is_refused():
    method = ClipRocket(DualEncoder(Pixels(), Words(), width=WIDTH), local=Local(hidden=2, drop=0.1))
    with pytest.raises(CapabilityError, match=r"Words cannot leave out a share of 0\.1"):
        method.losses(told(0, 1), START)
    with pytest.raises(ConfigError, match=r"drop is 1\.0"):
        Local(drop=1.0)
