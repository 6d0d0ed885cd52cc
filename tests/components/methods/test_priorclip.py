"""PriorCLIP: its loss of kinds, what a start is for, over ranks, and two known steps (seed 44)."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from components.contracts.errors import ConfigError, DataError
from components.contracts.method import Clock
from components.methods.clip import Clip
from components.methods.priorclip import PriorClip
from components.models.dual_encoder import DualEncoder
from components.objectives.softmax import SoftmaxLoss
from components.recipes.recipe import load_recipe
from components.training.param_groups import param_groups
from tests.components.methods.priorclip_ranks import MODES, Step, outcome, told
from tests.components.training.gathering import WIDTH, Pixels, Words
from tests.golden.make_clip_debug import STEPS, batches_at_debug, first_losses
from tests.over_ranks import check_same, told_by_ranks
from tests.squares import COLOURS, REPOSITORY, method_at_debug, square_pool

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "priorclip_debug.json").read_text())
START = Clock(step=0, total_steps=8, epoch=0)


@pytest.fixture
def priorclip(vocabulary) -> PriorClip:
    """Return the recipe's method; in evaluation, so that nothing is dropped."""
    method = method_at_debug(vocabulary, "priorclip").eval()
    assert isinstance(method, PriorClip)
    return method


@pytest.fixture(scope="module")
def batch(vocabulary):
    return batches_at_debug(vocabulary, "priorclip")[0]


def of_kinds(batch, kinds: list[int]):
    return replace(batch, ids={**batch.ids, "category": torch.tensor(kinds)})


def test_a_batch_says_of_which_kind_each_picture_is(batch):
    pool, names = square_pool(), sorted(COLOURS)
    for row, key in enumerate(batch.keys):
        assert names[batch.ids["category"][row]] == pool.groups[pool.keys.index(key)]["category"]


def test_where_all_kinds_differ_it_is_clips_contrast(priorclip, batch):
    terms = PriorClip(priorclip.model, scale="shared").losses(of_kinds(batch, list(range(len(batch)))), START).terms
    torch.testing.assert_close(
        terms["contrast"], Clip(priorclip.model, SoftmaxLoss()).losses(batch, START).terms["contrast"]
    )
    torch.testing.assert_close(terms["centre"], terms["contrast"])


def test_of_one_kind_it_is_the_logarithm_of_how_many_or_nothing_and_teaches_nothing(priorclip, batch):
    alone = of_kinds(batch, [4] * len(batch))
    losses = priorclip.losses(alone, START)
    assert losses.terms["centre"].item() == pytest.approx(math.log(len(batch)), rel=1e-5)
    assert losses.seen["kinds"].item() == 1
    deduped = PriorClip(priorclip.model, dedupe=True).losses(alone, START).terms["centre"]
    assert deduped.item() == pytest.approx(0, abs=1e-6)
    for term in (losses.terms["centre"], deduped):
        (gradient,) = torch.autograd.grad(term, priorclip.model.text_projection.linear.weight, retain_graph=True)
        assert gradient.abs().max() < 1e-5


@pytest.mark.parametrize("dedupe", [False, True])
def test_it_is_what_it_is_by_hand(priorclip, batch, dedupe):
    method = PriorClip(priorclip.model, centre=0.5, dedupe=dedupe)
    method.centre_scale.log_scale.data.fill_(1.0)
    kinds = batch.ids["category"].tolist()
    image = normalize(method.model.encode_image(batch.images["main"]).pooled, dim=-1)
    text = normalize(method.model.encode_text(batch.texts["caption"]).pooled, dim=-1)
    lost = []
    for rows, other in ((image, text), (text, image)):
        centre = {
            kind: torch.stack([one for one, of in zip(other, kinds, strict=True) if of == kind]).mean(0)
            for kind in kinds
        }
        columns = sorted(centre) if dedupe else kinds
        scores = torch.e * rows @ torch.stack([centre[kind] for kind in columns]).T
        right = [columns.index(kind) for kind in kinds] if dedupe else list(range(len(kinds)))
        lost.append(cross_entropy(scores, torch.tensor(right)))
    torch.testing.assert_close(method.losses(batch, START).terms["centre"], 0.5 * sum(lost) / 2)


def test_gradients_reach_all_that_learns_and_a_scale_of_its_own(priorclip, batch):
    for gain in (p for p in priorclip.parameters() if p.ndim == 1):
        torch.nn.init.normal_(gain)
    sum(priorclip.train().losses(batch, START).terms.values()).backward()
    learns = {name: p for name, p in priorclip.named_parameters() if p.requires_grad}
    assert [name for name, p in learns.items() if p.grad is None or not p.grad.any()] == []
    assert {name for name, _ in priorclip.named_parameters()} - set(learns) == {
        f"model.image.prior.{name}" for name, _ in priorclip.model.image.prior.named_parameters()
    }
    optimisation = load_recipe(REPOSITORY, "priorclip", "debug").training.optimisation
    given = {id(p) for group in param_groups(priorclip, optimisation) for p in group["params"]}
    assert given == {id(p) for p in learns.values()}


def test_a_start_is_for_the_prior(priorclip, vocabulary):
    """The image tower of the recipe `clip` of the same size, name by name."""
    part, of = priorclip.begins_from()
    weights = method_at_debug(vocabulary, "clip", seed=5).model.state_dict()
    part.load_state_dict({name.removeprefix(of): one for name, one in weights.items() if name.startswith(of)})
    assert torch.equal(priorclip.model.image.prior.tower.net.conv1.weight, weights["image.net.conv1.weight"])


def test_several_captions_of_a_picture_are_all_right():
    """Two captions that say the same as one lose what that one loses."""
    model = PriorClip(DualEncoder(*_towers(), width=WIDTH), dedupe=True, scale="shared")
    batch = told(0, 1, "captions")
    assert len(batch.texts["caption"].ids) > len(batch)
    assert all(torch.isfinite(term) for term in model.losses(batch, START).terms.values())
    one = told(0, 1)
    texts = one.texts["caption"]
    owner = torch.arange(len(one)).repeat_interleave(2)
    twice = replace(texts, ids=texts.ids.repeat_interleave(2, 0), mask=texts.mask.repeat_interleave(2, 0), owner=owner)
    both = [model.losses(each, START).terms["centre"] for each in (one, replace(one, texts={"caption": twice}))]
    torch.testing.assert_close(*both)


def _towers():
    towers = Step("features", dedupe=False).method.model
    return towers.image, towers.text


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    return told_by_ranks("tests.components.methods.priorclip_ranks", tmp_path_factory.mktemp("ranks"), world=2)


@pytest.mark.parametrize("dedupe", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_two_ranks_equal_one_in_value_and_in_the_gradient_of_every_parameter(mode, dedupe, ranks):
    one, (first, second) = outcome(mode, dedupe), (rank[f"{mode} {dedupe}"] for rank in ranks)
    assert first == second
    check_same(first, one)
    assert any(torch.tensor(gradient).any() for name, gradient in one["gradients"].items() if "progressive" in name)


def test_the_first_steps_lose_what_they_lost(vocabulary):
    losses = first_losses(method_at_debug(vocabulary, "priorclip"), vocabulary, name="priorclip")
    assert len(losses) == STEPS
    assert losses[0] == pytest.approx(GOLDEN["losses"][0], rel=1e-5)
    assert losses[1] == pytest.approx(GOLDEN["losses"][1], rel=2e-3)


def test_both_scales_keep_their_bound(priorclip):
    scales = (priorclip.model.logit_scale, priorclip.centre_scale)
    with torch.no_grad():
        for scale in scales:
            scale.log_scale.fill_(9.0)
    priorclip.after_step(START)
    assert [scale().item() for scale in scales] == pytest.approx([100, 100])


def test_without_kinds_it_asks_for_none_and_with_them_it_says_whose_is_missing(priorclip, batch):
    none = replace(batch, ids={})
    assert list(PriorClip(priorclip.model, centre=0.0).losses(none, START).terms) == ["contrast"]
    with pytest.raises(DataError, match="no sample says of which category it is"):
        priorclip.losses(none, START)
    with pytest.raises(DataError, match=f"sample {batch.keys[2]} is of no category"):
        priorclip.losses(of_kinds(batch, [0, 1, -1, *range(len(batch) - 3)]), START)


def test_what_cannot_be_is_refused(priorclip):
    with pytest.raises(ConfigError, match=r"centre is -1\.0"):
        PriorClip(priorclip.model, centre=-1.0)
    with pytest.raises(ConfigError, match="a Pixels, which no prior guides"):
        PriorClip(DualEncoder(Pixels(), Words(), width=WIDTH))
