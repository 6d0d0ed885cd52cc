"""Wukong: FILIP's contrast on few tokens, a tower that stays as it began, and two known steps (seed 25)."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from components.contracts.encoded import TOKENS
from components.contracts.errors import ConfigError
from components.contracts.method import Clock
from components.finetuning.freeze import Freeze
from components.methods.clip import Clip
from components.methods.filip import Filip
from components.methods.wukong import Wukong
from components.objectives.softmax import SoftmaxLoss
from components.recipes.recipe import load_recipe
from components.training.grad_cache import GradCache
from components.training.param_groups import param_groups
from tests.golden.make_clip_debug import STEPS, batches_at_debug, first_losses
from tests.squares import REPOSITORY, method_at_debug

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "wukong_debug.json").read_text())
START = Clock(step=0, total_steps=8, epoch=0)
LOCKED = "model.image.tower.tower."


@pytest.fixture
def wukong(vocabulary) -> Wukong:
    method = method_at_debug(vocabulary, "wukong")
    assert isinstance(method, Wukong)
    return method


@pytest.fixture
def batch(vocabulary):
    return batches_at_debug(vocabulary, "wukong")[0]


def test_its_one_term_is_filips_on_the_few_tokens(wukong, batch):
    image = wukong.model.encode_image(batch.images["main"], (TOKENS,))
    assert image.tokens.shape[1] == 2
    (term,) = wukong.losses(batch, START).terms.values()
    torch.testing.assert_close(term, Filip(wukong.model).losses(batch, START).terms["contrast"])


def test_by_vector_it_is_clips_contrast(wukong, batch):
    by_vector = Wukong(wukong.model, by="vector").losses(batch, START).terms["contrast"]
    torch.testing.assert_close(by_vector, Clip(wukong.model, SoftmaxLoss()).losses(batch, START).terms["contrast"])


def test_by_one_token_of_each_side_it_is_by_vector(wukong, batch):
    """A reduction to one token, and texts of one word: the contrast by tokens is that of vectors."""
    model = wukong.model
    learner = model.image.learner
    learner.places.weight = torch.nn.Parameter(learner.places.weight[:1].clone())
    texts = batch.texts["caption"]
    first = torch.zeros_like(texts.mask)
    first[:, 0] = True
    one = replace(batch, texts={"caption": replace(texts, mask=first)})
    by_tokens = wukong.losses(one, START).terms["contrast"]
    torch.testing.assert_close(by_tokens, Wukong(model, by="vector").losses(one, START).terms["contrast"])
    image = normalize(model.encode_image(one.images["main"]).pooled, dim=-1)
    text = normalize(model.encode_text(one.texts["caption"]).pooled, dim=-1)
    scores, right = model.logit_scale() * image @ text.T, torch.arange(len(one))
    torch.testing.assert_close(by_tokens, (cross_entropy(scores, right) + cross_entropy(scores.T, right)) / 2)


def test_gradients_reach_all_but_the_locked_tower(wukong, batch):
    for gain in (p for p in wukong.parameters() if p.ndim == 1 and p.requires_grad):
        torch.nn.init.normal_(gain)
    wukong.train().losses(batch, START).terms["contrast"].backward()
    still = {name for name, weight in wukong.named_parameters() if weight.grad is None or not weight.grad.any()}
    assert still == {name for name, _ in wukong.named_parameters() if name.startswith(LOCKED)}
    optimisation = load_recipe(REPOSITORY, "wukong", "debug").training.optimisation
    given = {id(p) for group in param_groups(wukong, optimisation) for p in group["params"]}
    assert given == {id(p) for name, p in wukong.named_parameters() if name not in still}


def test_training_moves_no_bit_of_the_locked_tower(wukong, vocabulary):
    freeze = Freeze(
        wukong,
        (
            "model.text.*",
            "model.text_projection.*",
            "model.image_projection.*",
            "model.logit_*",
            "model.image.learner.*",
        ),
    )
    before = freeze.digests()
    losses = first_losses(wukong, vocabulary, steps=4, name="wukong")
    assert losses[-1] < losses[0]
    assert freeze.digests() == before
    assert {name for name in before if name.startswith(LOCKED)} == set(before)


def test_a_start_is_for_the_locked_tower(wukong, vocabulary):
    """The image tower of the recipe `clip` of the same size, name by name."""
    part, of = wukong.begins_from()
    weights = method_at_debug(vocabulary, "clip", seed=5).model.state_dict()
    part.load_state_dict({name.removeprefix(of): one for name, one in weights.items() if name.startswith(of)})
    assert torch.equal(wukong.model.image.tower.tower.net.conv1.weight, weights["image.net.conv1.weight"])
    assert wukong.wants_start


def test_the_first_steps_lose_what_they_lost(wukong, vocabulary):
    losses = first_losses(wukong, vocabulary, name="wukong")
    assert len(losses) == STEPS
    assert losses[0] == pytest.approx(GOLDEN["losses"][0], rel=1e-5)
    assert losses[1] == pytest.approx(GOLDEN["losses"][1], rel=2e-3)


def test_a_model_without_a_tower_that_a_start_is_for_is_refused(vocabulary):
    with pytest.raises(ConfigError, match="has 0 parts that a start is for"):
        Wukong(method_at_debug(vocabulary, "clip").model)


@pytest.mark.parametrize("by", ["tokens", "vector"])
def test_a_batch_in_parts_has_the_gradients_of_the_whole_although_the_locked_tower_has_batch_norms(wukong, batch, by):
    method = Wukong(wukong.model, by=by).train()
    learns = {name: weight for name, weight in method.named_parameters() if weight.requires_grad}
    method.losses(batch, START).terms["contrast"].backward()
    whole = {name: weight.grad.clone() for name, weight in learns.items()}
    method.zero_grad()
    cache = GradCache(method.model, 5)
    with cache.caching():
        loss = method.losses(batch, START).terms["contrast"]
    loss.backward()
    cache.replay()
    for name, weight in learns.items():
        torch.testing.assert_close(
            weight.grad, whole[name], rtol=1e-4, atol=1e-4 * float(whole[name].abs().max()) + 1e-7
        )
