"""Reinforce around clip and siglip: what it adds, over ranks, in parts, after a stop; and what it refuses."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from components.contracts.errors import ConfigError, Interrupted
from components.contracts.method import Clock, Losses, Method
from components.contracts.progress import silent
from components.data.batches import StepBatches
from components.data.rows.decoded import decode_pairs
from components.data.samplers.distinct import DistinctBatches
from components.data.side.read import Side
from components.data.side.write import Asked, write_side
from components.data.transforms.preprocess import Preprocess
from components.data.transforms.views import Views
from components.methods.clip import Clip, labels
from components.methods.reinforce import Reinforce
from components.objectives.divergence import divergence
from components.objectives.matryoshka import Matryoshka
from components.objectives.mine_hard_negatives import MineHardNegatives
from components.objectives.signals.hard_negatives import HardNegatives
from components.objectives.softmax import SoftmaxLoss
from components.recipes.recipe import load_recipe
from components.recipes.section import build
from components.training.gather import Gather
from components.training.grad_cache import GradCache
from tests.colours import Colours
from tests.components.methods.reinforced_ranks import cases, outcome
from tests.components.training.flat import flat_clip
from tests.components.training.test_train import SCALE, run, weights
from tests.over_ranks import check_same, told_by_ranks
from tests.squares import described_at_debug

REPOSITORY = Path(__file__).parents[3]
CLOCK = Clock(step=0, total_steps=8, epoch=0)


def reinforced(vocabulary, recipe="clip", **numbers) -> Reinforce:
    """Return the recipe's method at `debug` with Reinforce around it, built as a recipe's words are."""
    method = load_recipe(REPOSITORY, recipe, "debug").method
    torch.manual_seed(0)
    described = {"model": described_at_debug(vocabulary, recipe), "method": method, **numbers}
    made = build({"class_path": "components.methods.reinforce.Reinforce", "init_args": described}, Method)
    assert isinstance(made, Reinforce)
    return made


@pytest.fixture(scope="module")
def side(squares, tmp_path_factory) -> Side:
    folder = tmp_path_factory.mktemp("side")
    asked = Asked(
        pool=squares, shards=["train/000000.tar"] * 50, extra={}, views=Views(pixels=24), trim=False, kept=4 / 3, count=4, seed=5,
        teachers=[Colours(24), Colours(24, "soft", scale=4.0)],
    )  # fmt: skip
    return Side.open(folder, write_side(folder, asked, silent, lambda said: None))


@pytest.fixture(scope="module")
def batches(side, squares, vocabulary) -> StepBatches:
    pairs = decode_pairs(side.told(squares), Preprocess(size=32), silent)
    order = DistinctBatches(pairs.concepts, 8, seed=3)
    return StepBatches(pairs, vocabulary, Views(pixels=24), order, seed=3, side=side.rows(pairs.keys))


@pytest.mark.parametrize("recipe", ["clip", "siglip"])
def test_its_term_is_the_contrast_and_the_divergence_in_their_shares(recipe, vocabulary, batches):
    method, plain, batch = reinforced(vocabulary, recipe, share=0.3), reinforced(vocabulary, recipe).inner, batches[0]
    plain.objective = plain.objective.contrast
    plain.load_state_dict(
        {name.replace("objective.contrast", "objective"): v for name, v in method.state_dict().items()}
    )
    losses, contrast = method.losses(batch, CLOCK), plain.losses(batch, CLOCK).terms["contrast"]
    image, text = (losses.embedded[side] for side in ("image", "text"))
    said = [(batch.said[f"image{n}"], batch.said[f"text{n}"]) for n in range(2)]
    apart = divergence(image, text, method.model.logit_scale(), said)
    assert apart > 0.1
    torch.testing.assert_close(losses.seen["distillation"], apart.detach())
    torch.testing.assert_close(losses.terms["contrast"], 0.7 * contrast + 0.3 * apart)
    assert list(losses.terms) == ["contrast"]


@pytest.mark.parametrize("recipe", ["clip", "siglip"])
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_gradients_reach_every_parameter_and_names_are_those_of_the_method(recipe, share, vocabulary, batches):
    method = reinforced(vocabulary, recipe, share=share)
    assert [name for name, _ in method.named_parameters()] == [name for name, _ in method.inner.named_parameters()]
    method.losses(batches[0], CLOCK).terms["contrast"].backward()
    assert [name for name, one in method.named_parameters() if one.grad is None] == []


def test_the_scale_keeps_its_bound(vocabulary):
    method = reinforced(vocabulary)
    with torch.no_grad():
        method.model.logit_scale.log_scale.fill_(9.0)
    method.after_step(CLOCK)
    assert method.model.logit_scale().item() == pytest.approx(100)


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    return told_by_ranks("tests.components.methods.reinforced_ranks", tmp_path_factory.mktemp("ranks"), world=2)


@pytest.mark.parametrize("case", cases(), ids=" ".join)
def test_two_ranks_equal_one_in_value_and_in_the_gradient_of_every_parameter(case, ranks):
    one, (first, second) = outcome(*case), (rank[" ".join(case)] for rank in ranks)
    assert first == second
    check_same(first, one)


@pytest.mark.parametrize("micro_batch", [3, 8])
def test_encoded_in_parts_loss_and_gradients_are_those_of_the_whole_batch(micro_batch, vocabulary, batches):
    plain, cached = (
        Reinforce(flat.model, lambda model, flat=flat: flat) for flat in (flat_clip(vocabulary), flat_clip(vocabulary))
    )
    whole = plain.losses(batches[0], CLOCK).terms["contrast"]
    whole.backward()
    cache = GradCache(cached.model, micro_batch)
    with cache.caching():
        loss = cached.losses(batches[0], CLOCK).terms["contrast"]
    loss.backward()
    cache.replay()
    torch.testing.assert_close(loss, whole, rtol=1e-5, atol=0)
    for (name, one), other in zip(cached.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-5, atol=1e-5 * float(other.grad.abs().max()), msg=name)


@pytest.mark.parametrize("stop_at", [1, 5])
def test_a_run_cut_off_ends_with_the_same_weights_and_curves(stop_at, vocabulary, batches, tmp_path):
    method = reinforced(vocabulary)
    started, again = copy.deepcopy(method), reinforced(vocabulary)
    whole = run(method, batches, tmp_path)
    cut = tmp_path / "cut"
    cut.mkdir()
    with pytest.raises(Interrupted):
        run(started, batches, cut, stop_at=stop_at)
    resumed = run(again, batches, cut, scale=replace(SCALE, workers=1))
    assert resumed.resumed_at == stop_at
    assert resumed.curves == whole.curves
    assert "train.distillation" in whole.curves.splitlines()[0].split(",")
    assert torch.equal(weights(again), weights(method))


def test_the_student_comes_to_say_what_its_teachers_say(vocabulary, batches, tmp_path):
    method = reinforced(vocabulary, share=1.0)
    curves = run(method, batches, tmp_path, scale=replace(SCALE, steps=60, watch_every=60)).curves.splitlines()
    column = curves[0].split(",").index("train.distillation")
    apart = [float(line.split(",")[column]) for line in curves[1:]]
    assert sum(apart[-5:]) < 0.5 * sum(apart[:5])


def test_batches_without_teachers_are_refused(vocabulary, batches):
    with pytest.raises(
        ConfigError, match=r"batches bring nothing that teachers said.*diptych data reinforce.*training\.reinforce"
    ):
        reinforced(vocabulary).losses(replace(batches[0], said={}), CLOCK)


@pytest.mark.parametrize(
    ("numbers", "said"),
    [({"share": 0.0}, "share is 0.0"), ({"share": 1.2}, "share is 1.2"), ({"sharpness": 0.0}, "sharpness is 0.0")],
)
def test_numbers_that_mean_nothing_are_refused(numbers, said, vocabulary):
    with pytest.raises(ConfigError, match=said):
        reinforced(vocabulary, **numbers)


def test_a_method_without_a_contrast_is_refused(clip):
    class Other(Method):
        def losses(self, batch, clock) -> Losses:
            return Losses(terms={})

    with pytest.raises(ConfigError, match="method is Other, which has no contrast"):
        Reinforce(clip.model, lambda model: Other())


def test_what_it_wraps_is_a_clip(vocabulary):
    assert isinstance(reinforced(vocabulary).inner, Clip)


def test_a_contrast_within_it_still_gets_the_labels_that_it_wants(vocabulary, batches):
    mined = MineHardNegatives(Matryoshka(SoftmaxLoss(), widths=(0.5,)), HardNegatives(take=3))
    plain = flat_clip(vocabulary).model
    made = Reinforce(plain, lambda model: Clip(model, mined), share=0.5)
    assert made.objective.wants_labels
    batch, gather = batches[0], Gather()
    parts = made.losses(batch, CLOCK)
    shown, said = labels(batch)
    sides = (
        gather(plain.encode_image(batch.images["main"]).pooled, None, len(batch), shown),
        gather(plain.encode_text(batch.texts["caption"]).pooled, None, len(batch), said),
    )
    wanted = 0.5 * mined(*sides, plain.logit_scale()) + 0.5 * parts.seen["distillation"]
    torch.testing.assert_close(parts.terms["contrast"], wanted)
