"""RS-M-CLIP: CLIP to the bit where it distils nothing, its terms by hand, what its teacher may learn from, over ranks, and known steps (seed 32)."""

import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from components.contracts.batch import Batch, Images
from components.contracts.errors import ConfigError
from components.contracts.method import Clock
from components.methods.clip import Clip
from components.methods.rs_m_clip import Distil, RsMClip, crops
from components.models.dual_encoder import DualEncoder
from components.models.towers.image import ImageTower
from components.models.towers.text import TextTower
from components.objectives.softmax import SoftmaxLoss
from components.training.grad_cache import GradCache
from tests.components.methods.rs_m_clip_ranks import outcome
from tests.components.training.flat import flat_clip
from tests.golden.make_clip_debug import STEPS, batches_at_debug, first_losses
from tests.over_ranks import check_same, told_by_ranks
from tests.squares import clip_at_debug, method_at_debug

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "rs_m_clip_debug.json").read_text())
START = Clock(step=0, total_steps=8, epoch=0)
LATER = Clock(step=6, total_steps=8, epoch=0)


@pytest.fixture
def method(vocabulary) -> RsMClip:
    """Return the recipe's method; in evaluation, so that batch norms have no batch's statistics and the centre stays."""
    made = method_at_debug(vocabulary, "rs_m_clip").eval()
    assert isinstance(made, RsMClip)
    return made


@pytest.fixture(scope="module")
def batch(vocabulary) -> Batch:
    return batches_at_debug(vocabulary, "rs_m_clip")[0]


def stepped(method: Clip | RsMClip, batch: Batch) -> dict[str, torch.Tensor]:
    """Return the weights of the model after a step in training."""
    optimizer = torch.optim.AdamW([one for one in method.parameters() if one.requires_grad], lr=1e-2)
    sum(method.train().losses(batch, START).terms.values()).backward()
    optimizer.step()
    method.after_step(START)
    return method.model.state_dict()


def test_without_a_weight_a_step_is_clips_to_the_bit(method, batch):
    plain = RsMClip(copy.deepcopy(method.model), Distil(weight=0.0))
    clip = Clip(copy.deepcopy(method.model), SoftmaxLoss())
    assert list(plain.losses(batch, START).terms) == ["contrast"]
    ours, theirs = stepped(plain, batch), stepped(clip, batch)
    assert set(ours) == set(theirs)
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
    assert not [name for name, _ in plain.named_parameters() if not name.startswith("model.")]


def test_the_contrast_is_of_main_alone_and_running_statistics_are_its(method, batch):
    with_crops, alone = copy.deepcopy(method).train(), Clip(copy.deepcopy(method.model), SoftmaxLoss()).train()
    assert torch.equal(with_crops.losses(batch, START).terms["contrast"], alone.losses(batch, START).terms["contrast"])
    wanted = dict(alone.model.named_buffers())
    moved = [name for name in wanted if "running" in name and wanted[name].any()]
    assert moved
    ours = dict(with_crops.model.named_buffers())
    assert [name for name in wanted if "running" in name and not torch.equal(ours[name], wanted[name])] == []


def test_distil_is_what_it_is_by_hand(method, batch):
    """Of two large crops and four small ones: ten pairs."""
    with torch.no_grad():  # the student moves on, its teacher stays
        method.model.image.net.conv1.weight += 0.1
        method.head.prototypes.weight += 0.1 * torch.randn_like(method.head.prototypes.weight)
        method.loss.centre.normal_(std=0.1)
    large, small = crops(batch)
    views = [batch.images["main"], *large, *small]
    assert [view.pixels.shape[-1] for view in views] == [32, 32, 16, 16, 16, 16]
    said = [(method.head(method.model.image(view).features) / 0.1).log_softmax(1) for view in views]
    taught = [
        (
            (method.slow(method.teacher.model.image(view).features) - method.loss.centre)
            / method.loss.temperature(0.75)
        ).softmax(1)
        for view in views[:2]
    ]
    each = [-(taught[g] * said[v]).sum(1).mean() for g in range(2) for v in range(6) if v != g]
    assert len(each) == 10
    losses = method.losses(batch, LATER)
    torch.testing.assert_close(losses.terms["distil"], sum(each) / 10, rtol=1e-4, atol=1e-5)
    assert 0 < losses.seen["teacher_variety"] < losses.seen["teacher_spread"] <= 1
    heavier = copy.deepcopy(method)
    heavier.distil = replace(method.distil, weight=3.0)
    torch.testing.assert_close(heavier.losses(batch, LATER).terms["distil"], 3 * losses.terms["distil"])


def test_it_begins_with_a_teacher_that_says_what_the_student_says_and_follows_by_the_schedule(method, batch):
    """The share that is kept comes from 0.98 to 1; no gradient reaches teacher, its head or the centre."""
    with torch.no_grad():
        method.model.image.net.conv1.weight += 1
    method.begin()
    main = batch.images["main"]
    ours = method.head(method.model.encode_image(main).features)
    assert torch.equal(method.slow(method.teacher.encode_image(main).features), ours)
    pairs = [
        (method.teacher.model.image.net.conv1.weight, method.model.image.net.conv1.weight),
        (method.slow.prototypes.weight, method.head.prototypes.weight),
    ]
    sum(method.losses(batch, START).terms.values()).backward()
    learnt = [name for name, one in method.named_parameters() if one.grad is not None]
    assert not [name for name in learnt if name.startswith(("slow.", "teacher.", "loss."))]
    assert {"head.layers.0.weight", "model.image.net.conv1.weight"} <= set(learnt)
    for clock, kept in ((START, 0.98), (replace(START, step=4), 0.99), (replace(START, step=8), 1.0)):
        with torch.no_grad():
            for _, fast in pairs:
                fast += 1
        before = [slow.clone() for slow, _ in pairs]
        method.after_step(clock)
        for (slow, fast), old in zip(pairs, before, strict=True):
            torch.testing.assert_close(slow, kept * old + (1 - kept) * fast)


def test_the_centre_moves_in_training_alone(method, batch):
    method.losses(batch, START)
    assert not method.loss.centre.any()
    method.train().losses(batch, START)
    assert method.loss.centre.any()
    assert not method.teacher.model.training


def test_prototypes_stay_still_for_the_first_share_of_the_steps(method, batch):
    method.distil = replace(method.distil, still=0.5)
    for clock, moves in ((START, False), (LATER, True)):
        method.zero_grad()
        method.losses(batch, clock).terms["distil"].backward()
        assert bool(method.head.prototypes.weight.grad.any()) == moves
        assert method.head.layers[0].weight.grad.any()


def test_gradients_reach_every_parameter_that_learns(method, batch):
    for gain in (weight for weight in method.parameters() if weight.ndim == 1 and weight.requires_grad):
        torch.nn.init.normal_(gain)
    sum(method.train().losses(batch, LATER).terms.values()).backward()
    learns = {name: weight for name, weight in method.named_parameters() if weight.requires_grad}
    assert [name for name, weight in learns.items() if weight.grad is None or not weight.grad.any()] == []


def test_the_exported_model_is_clips_of_that_size(method, vocabulary):
    ours, theirs = method.model.state_dict(), clip_at_debug(vocabulary).model.state_dict()
    assert {name: value.shape for name, value in ours.items()} == {name: value.shape for name, value in theirs.items()}


def test_two_ranks_equal_one_in_value_gradients_and_centre(tmp_path):
    one, (first, second) = outcome(), told_by_ranks("tests.components.methods.rs_m_clip_ranks", tmp_path, world=2)
    assert first == second
    check_same(first, one)
    torch.testing.assert_close(torch.tensor(first["centre"]), torch.tensor(one["centre"]), rtol=1e-5, atol=1e-7)
    assert [name for name, gradient in one["gradients"].items() if not torch.tensor(gradient).any()] == []


def test_the_first_steps_lose_what_they_lost_and_it_learns(vocabulary):
    losses = first_losses(method_at_debug(vocabulary, "rs_m_clip"), vocabulary, steps=8, name="rs_m_clip")
    two = first_losses(method_at_debug(vocabulary, "rs_m_clip"), vocabulary, name="rs_m_clip")
    assert len(two) == STEPS
    assert two[0] == pytest.approx(GOLDEN["losses"][0], rel=1e-5)
    assert two[1] == pytest.approx(GOLDEN["losses"][1], rel=2e-3)
    assert losses[-1] < losses[0] - 0.1


def test_a_batch_in_parts_has_the_gradient_of_the_whole(vocabulary, batch):
    small = replace(
        batch,
        images={
            name: replace(view, pixels=torch.nn.functional.interpolate(view.pixels, size=(24, 24)))
            for name, view in batch.images.items()
        },
    )
    method = RsMClip(flat_clip(vocabulary).model, Distil(hidden=8, bottleneck=4, prototypes=6, still=0.0))
    cache, weight = GradCache(method.model, micro_batch=5), method.model.image.net[0].weight
    with cache.caching():
        sum(method.losses(small, START).terms.values()).backward()
    cache.replay()
    in_parts, weight.grad = weight.grad, None
    method.loss.centre.zero_()  # it moved
    sum(method.losses(small, START).terms.values()).backward()
    torch.testing.assert_close(in_parts, weight.grad, rtol=1e-4, atol=1e-6)


def transformer(batch: Batch, **changed: bool) -> DualEncoder:
    """Return towers whose pictures go through a small transformer for 32 pixels, the same weights each time."""
    torch.manual_seed(0)
    numbers = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 1, "num_heads": 2}
    ids = int(batch.texts["caption"].ids.max()) + 1
    text = TextTower(vocabulary=ids, context=batch.texts["caption"].ids.shape[1], width=16, depth=1, heads=2)
    return DualEncoder(ImageTower("vit_tiny_patch16_224", {**numbers, **changed}), text, width=16).eval()


def test_positions_of_a_transformer_are_themselves_at_its_own_size_and_interpolated_at_others(batch):
    fixed, free = (transformer(batch, **changed) for changed in ({}, {"dynamic_img_size": True}))
    main = batch.images["main"]
    assert torch.equal(fixed.encode_image(main).features, free.encode_image(main).features)
    method = RsMClip(free, Distil(hidden=8, bottleneck=4, prototypes=6))
    assert method.losses(batch, START).terms["distil"].isfinite()


def test_a_tower_that_takes_no_small_crops_is_refused_with_what_to_set(batch):
    method = RsMClip(transformer(batch), Distil(hidden=8, bottleneck=4, prototypes=6))
    with pytest.raises(ConfigError, match=r"no crops of 16 pixels a side .*dynamic_img_size: true"):
        method.losses(batch, START)


def test_a_batch_without_other_views_or_with_several_pictures_is_refused(method, batch):
    main = batch.images["main"]
    with pytest.raises(ConfigError, match=r"the view main alone.*views: \{main"):
        method.losses(replace(batch, images={"main": main}), START)
    twice = torch.arange(len(batch)).repeat_interleave(2)
    with pytest.raises(ConfigError, match="32 pictures for 16 samples"):
        crops(replace(batch, images={**batch.images, "main": Images(pixels=main.pixels[twice], owner=twice)}))


@pytest.mark.parametrize("numbers", [{"weight": -1.0}, {"momentum": 1.0}, {"still": 2.0}])
def test_numbers_out_of_range_are_refused(numbers):
    with pytest.raises(ConfigError, match="weight is"):
        Distil(**numbers)
