"""Compatible around clip and siglip: what it adds, over ranks, in parts, after a stop; that new texts find old pictures; what it refuses."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize

from components.contracts.errors import ConfigError, Interrupted
from components.contracts.method import Clock, Losses, Method
from components.contracts.progress import silent
from components.data.batches import StepBatches
from components.data.rows.decoded import decode_pairs
from components.data.samplers.distinct import DistinctBatches
from components.data.transforms.preprocess import Preprocess
from components.data.transforms.views import Views
from components.methods.clip import Clip, labels
from components.methods.compatible import Compatible
from components.models.dual_encoder import DualEncoder
from components.objectives.matryoshka import Matryoshka
from components.objectives.mine_hard_negatives import MineHardNegatives
from components.objectives.signals.hard_negatives import HardNegatives
from components.objectives.softmax import SoftmaxLoss
from components.recipes.recipe import load_recipe
from components.recipes.section import build
from components.training.gather import Gather
from components.training.grad_cache import GradCache
from tests.components.methods.compatible_ranks import cases, outcome
from tests.components.training.flat import flat_clip
from tests.components.training.test_train import NUMBERS, SCALE, run, weights
from tests.over_ranks import check_same, told_by_ranks
from tests.squares import described_at_debug

REPOSITORY = Path(__file__).parents[3]
CLOCK = Clock(step=0, total_steps=8, epoch=0)


def made(vocabulary, recipe="clip", seed=0) -> Method:
    """Return the recipe's method at `debug`, with weights of their own for each seed."""
    method = load_recipe(REPOSITORY, recipe, "debug").method
    torch.manual_seed(seed)
    described = {**method["init_args"], "model": described_at_debug(vocabulary, recipe)}
    return build({"class_path": method["class_path"], "init_args": described}, Method)


def held(vocabulary, recipe="clip", old: DualEncoder | None = None, weight=1.0) -> Compatible:
    return Compatible(made(vocabulary, recipe), old or made(vocabulary, recipe, seed=7).model, weight)


@pytest.fixture(scope="module")
def batches(squares, vocabulary) -> StepBatches:
    pairs = decode_pairs(squares, Preprocess(size=32), silent)
    return StepBatches(pairs, vocabulary, Views(pixels=24), DistinctBatches(pairs.concepts, 8, seed=3), seed=3)


@pytest.mark.parametrize("recipe", ["clip", "siglip"])
def test_its_term_is_the_contrast_and_that_of_each_side_with_the_other_of_the_old_model(recipe, vocabulary, batches):
    method, plain, batch = held(vocabulary, recipe, weight=0.3), made(vocabulary, recipe), batches[0]
    losses, contrast = method.losses(batch, CLOCK), plain.losses(batch, CLOCK).terms["contrast"]
    image, text = (losses.embedded[side] for side in ("image", "text"))
    before = method.old.encode_image(batch.images["main"]).pooled
    said = method.old.encode_text(batch.texts["caption"]).pooled
    bias = method.model.logit_scale.bias
    more = {} if bias is None else {"bias": bias}
    scale = method.model.logit_scale()
    across = (plain.objective(before, text, scale, **more) + plain.objective(image, said, scale, **more)) / 2
    torch.testing.assert_close(losses.seen["compatible"], across.detach())
    torch.testing.assert_close(losses.terms["contrast"], contrast + 0.3 * across)
    assert list(losses.terms) == ["contrast"]


@pytest.mark.parametrize("recipe", ["clip", "siglip"])
def test_gradients_reach_every_parameter_of_the_model_and_none_of_the_old_one(recipe, vocabulary, batches):
    method = held(vocabulary, recipe)
    learns = [name for name, one in method.named_parameters() if one.requires_grad]
    assert learns == [name for name, _ in method.inner.named_parameters()]
    method.losses(batches[0], CLOCK).terms["contrast"].backward()
    assert [name for name, one in method.named_parameters() if one.grad is not None] == learns


def test_the_old_model_stays_what_it_was_and_in_evaluation(vocabulary, batches, tmp_path):
    old = made(vocabulary, seed=7).model
    method = held(vocabulary, old=copy.deepcopy(old))
    run(method, batches, tmp_path)
    assert torch.equal(weights(method.old.model), weights(old))
    assert not any(part.training for part in method.old.modules())


def test_the_scale_keeps_its_bound(vocabulary):
    method = held(vocabulary)
    with torch.no_grad():
        method.model.logit_scale.log_scale.fill_(9.0)
    method.after_step(CLOCK)
    assert method.model.logit_scale().item() == pytest.approx(100)


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    return told_by_ranks("tests.components.methods.compatible_ranks", tmp_path_factory.mktemp("ranks"), world=2)


@pytest.mark.parametrize("case", cases(), ids=" ".join)
def test_two_ranks_equal_one_in_value_and_in_the_gradient_of_every_parameter(case, ranks):
    one, (first, second) = outcome(*case), (rank[" ".join(case)] for rank in ranks)
    assert first == second
    check_same(first, one)


@pytest.mark.parametrize("micro_batch", [3, 8])
def test_encoded_in_parts_loss_and_gradients_are_those_of_the_whole_batch(micro_batch, vocabulary, batches):
    old = flat_clip(vocabulary).model
    with torch.no_grad():
        old.text_projection.linear.weight.mul_(-1)
    plain, cached = (Compatible(flat_clip(vocabulary), old) for _ in range(2))
    whole = plain.losses(batches[0], CLOCK).terms["contrast"]
    whole.backward()
    cache = GradCache(cached.model, micro_batch)
    with cache.caching():
        loss = cached.losses(batches[0], CLOCK).terms["contrast"]
    loss.backward()
    cache.replay()
    torch.testing.assert_close(loss, whole, rtol=1e-5, atol=0)
    for (name, one), other in zip(cached.named_parameters(), plain.parameters(), strict=True):
        if one.requires_grad:
            bar = 1e-5 * float(other.grad.abs().max())
            torch.testing.assert_close(one.grad, other.grad, rtol=1e-5, atol=bar, msg=name)


@pytest.mark.parametrize("stop_at", [1, 5])
def test_a_run_cut_off_ends_with_the_same_weights_and_curves(stop_at, vocabulary, batches, tmp_path):
    method = held(vocabulary)
    started, again = copy.deepcopy(method), held(vocabulary)
    whole = run(method, batches, tmp_path)
    cut = tmp_path / "cut"
    cut.mkdir()
    with pytest.raises(Interrupted):
        run(started, batches, cut, stop_at=stop_at)
    resumed = run(again, batches, cut, scale=replace(SCALE, workers=1))
    assert resumed.resumed_at == stop_at
    assert resumed.curves == whole.curves
    assert "train.compatible" in whole.curves.splitlines()[0].split(",")
    assert torch.equal(weights(again), weights(method))


def test_new_texts_find_old_pictures_of_the_batch_and_without_it_they_do_not(vocabulary, batches, tmp_path):
    long, fast = replace(SCALE, steps=150, watch_every=150), replace(NUMBERS, lr=1e-2)
    models = {"old": drawn(vocabulary, 7), "plain": drawn(vocabulary, 0), "held": drawn(vocabulary, 0)}
    for name, one in models.items():
        (tmp_path / name).mkdir()
        method = Compatible(one, models["old"].model) if name == "held" else one
        run(method, batches, tmp_path / name, scale=long, numbers=fast)
    right = {name: found(one.model, models["old"].model, batches) for name, one in models.items()}
    assert right["old"] >= 0.35, "of 8 by chance 0.125"
    assert right["held"] >= 0.75 * right["old"]
    assert right["plain"] <= 0.25


def drawn(vocabulary, seed: int) -> Clip:
    """Return a small CLIP with weights of its own."""
    method = flat_clip(vocabulary)
    torch.manual_seed(seed)
    for weight in method.model.parameters():
        if weight.ndim > 1:
            torch.nn.init.normal_(weight, std=0.2)
    return method


@torch.no_grad()
def found(new: DualEncoder, old: DualEncoder, batches: StepBatches) -> float:
    """Return which share of new texts of four batches are nearest to their own old picture, of 8."""
    right = []
    for place in range(4):
        batch = batches[place]
        text = normalize(new.eval().encode_text(batch.texts["caption"]).pooled, dim=-1)
        image = normalize(old.eval().encode_image(batch.images["main"]).pooled, dim=-1)
        right.append(((text @ image.T).argmax(1) == torch.arange(len(batch))).float().mean())
    return float(torch.stack(right).mean())


def test_an_old_model_of_another_width_is_refused(vocabulary):
    other = DualEncoder(made(vocabulary).model.image, made(vocabulary).model.text, width=20)
    with pytest.raises(
        ConfigError, match=r"the model gives 32 numbers and the old one 20.*model\.init_args\.width=20.*embed the index"
    ):
        held(vocabulary, old=other)


@pytest.mark.parametrize("weight", [0.0, -1.0, float("inf")])
def test_a_weight_that_means_nothing_is_refused(weight, vocabulary):
    with pytest.raises(ConfigError, match=f"weight is {weight}"):
        held(vocabulary, weight=weight)


def test_a_method_without_a_contrast_is_refused(clip):
    class Other(Method):
        def losses(self, batch, clock) -> Losses:
            return Losses(terms={})

    with pytest.raises(ConfigError, match="method is Other, which has no contrast"):
        Compatible(Other(), clip.model)


def test_a_contrast_of_other_rows_than_the_batchs_is_refused(vocabulary, batches):
    class Halved(Clip):
        def losses(self, batch, clock) -> Losses:
            rows = self.model.encode_image(batch.images["main"]).pooled[:4]
            words = self.model.encode_text(batch.texts["caption"]).pooled[:4]
            return Losses(terms={"contrast": self.objective(rows, words, self.model.logit_scale())})

    model = flat_clip(vocabulary).model
    with pytest.raises(ConfigError, match="contrasts 4 rows of a side, and the old model saw 8"):
        Compatible(Halved(model, SoftmaxLoss()), model).losses(batches[0], CLOCK)


def test_a_contrast_within_it_still_gets_the_labels_that_it_wants(vocabulary, batches):
    mined = MineHardNegatives(Matryoshka(SoftmaxLoss(), widths=(0.5,)), HardNegatives(take=3))
    plain, old = flat_clip(vocabulary).model, flat_clip(vocabulary).model
    method = Compatible(Clip(plain, mined), old)
    assert method.objective.wants_labels
    batch, gather = batches[0], Gather()
    term = method.losses(batch, CLOCK).terms["contrast"]
    shown, said = labels(batch)
    sides = (
        gather(plain.encode_image(batch.images["main"]).pooled, None, len(batch), shown),
        gather(plain.encode_text(batch.texts["caption"]).pooled, None, len(batch), said),
    )
    torch.testing.assert_close(term, 2 * mined(*sides, plain.logit_scale()))  # the old one is the same
