"""Encoding in parts gives the gradients of the whole batch, dropout and gathered sides included."""

import copy
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from components.contracts.errors import ConfigError
from components.contracts.method import Clock
from components.methods.clip import Clip
from components.training.grad_cache import GradCache
from tests.components.training.flat import flat_clip
from tests.components.training.test_train import SCALE, run, weights

CLOCK = Clock(step=0, total_steps=1, epoch=0)


@pytest.fixture
def flat(vocabulary):
    """Return a function from dropout to a CLIP without batch norm."""
    return partial(flat_clip, vocabulary)


def gradients(method: Clip) -> dict[str, torch.Tensor]:
    return {name: parameter.grad for name, parameter in method.named_parameters()}


@pytest.mark.parametrize("micro_batch", [1, 3, 8, 100])
def test_loss_and_gradients_are_those_of_the_whole_batch(micro_batch, flat, batches):
    plain, cached, batch = flat(), flat(), batches[0]
    whole = plain.losses(batch, CLOCK).terms["contrast"]
    whole.backward()
    cache = GradCache(cached.model, micro_batch)
    with cache.caching():
        loss = cached.losses(batch, CLOCK).terms["contrast"]
    loss.backward()
    cache.replay()
    torch.testing.assert_close(loss, whole, rtol=1e-5, atol=0)
    for name, gradient in gradients(cached).items():
        whole_one = gradients(plain)[name]
        torch.testing.assert_close(gradient, whole_one, rtol=1e-5, atol=1e-5 * float(whole_one.abs().max()))


def test_both_passes_draw_the_same_dropout(flat, batches):
    method, batch = flat(dropout=0.3), batches[0]
    cache = GradCache(method.model, 3)
    torch.manual_seed(1)
    with cache.caching():
        method.losses(batch, CLOCK).terms["contrast"].backward()
    first = cache.parts[0].whole.pooled.detach().clone()
    seen = []
    handle = method.model.image_projection.register_forward_hook(lambda module, args, out: seen.append(out.detach()))
    before = torch.get_rng_state()
    cache.replay()
    handle.remove()
    assert torch.equal(torch.cat(seen), first)
    assert torch.equal(torch.get_rng_state(), before), "and what is drawn next is as if there had been no second pass"


def test_what_is_encoded_without_gradient_is_not_encoded_again(flat, batches):
    method, batch = flat(), batches[0]
    cache = GradCache(method.model, 3)
    with cache.caching(), torch.no_grad():
        method.model.encode_image(batch.images["main"])
    assert cache.parts == []
    assert "encode_image" not in vars(method.model), "the model has its own verbs again"


def test_what_is_needed_beside_is_joined_and_has_its_gradient(flat, batches):
    plain, cached, images = flat().model, flat().model, batches[0].images["main"]
    plain.encode_image(images, need=("block1",)).hooks["block1"].square().sum().backward()
    cache = GradCache(cached, 3)
    with cache.caching():
        seen = cached.encode_image(images, need=("block1",)).hooks["block1"]
        assert len(seen) == 8
        seen.square().sum().backward()
    cache.replay()
    for ours, whole in zip(cached.image.parameters(), plain.image.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, whole.grad, rtol=1e-4, atol=1e-6)


def test_a_batch_norm_is_refused_by_name(method):
    with pytest.raises(
        ConfigError, match=r"but image\.net\.bn1 is a BatchNorm2d: its statistics would be those of the parts"
    ):
        GradCache(method.model, 4)


def test_a_model_without_verbs_is_refused():
    with pytest.raises(ConfigError, match="Linear has none of encode_image, encode_text"):
        GradCache(nn.Linear(2, 2), 4)


def test_a_training_in_parts_comes_to_what_a_whole_one_comes_to(flat, batches, tmp_path):
    whole, parts, folder = flat(), flat(), tmp_path / "parts"
    folder.mkdir()
    run(whole, batches, tmp_path)
    run(parts, batches, folder, scale=replace(SCALE, micro_batch=3))
    torch.testing.assert_close(weights(parts), weights(whole), rtol=1e-3, atol=1e-4)


def test_a_training_with_batch_norm_ends_before_it_begins(method, batches, tmp_path):
    before = copy.deepcopy(method)
    with pytest.raises(ConfigError, match="BatchNorm2d"):
        run(method, batches, tmp_path, scale=replace(SCALE, micro_batch=3))
    assert torch.equal(weights(method), weights(before))
