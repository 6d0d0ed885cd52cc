"""CLIP-Refine: the properties of its terms, a teacher that stays as it began, and two known steps (seed 27)."""

import json
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from components.contracts.errors import ConfigError, DataError
from components.contracts.method import Clock
from components.methods.clip_refine import ClipRefine
from components.recipes.recipe import load_recipe
from components.training.param_groups import param_groups
from tests.golden.make_clip_debug import STEPS, batches_at_debug, first_losses
from tests.squares import REPOSITORY, method_at_debug

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "clip_refine_debug.json").read_text())
START = Clock(step=0, total_steps=8, epoch=0)


@pytest.fixture
def refine(vocabulary) -> ClipRefine:
    method = method_at_debug(vocabulary, "clip_refine")
    assert isinstance(method, ClipRefine)
    method.begin()
    return method


@pytest.fixture
def batch(vocabulary):
    return batches_at_debug(vocabulary, "clip_refine")[0]


def with_numbers(refine: ClipRefine, **numbers) -> ClipRefine:
    """Return the same model under other numbers, as it was before any step."""
    return ClipRefine(refine.model, **{"logits": "scaled_cosine"} | numbers)


def embedded(refine: ClipRefine, batch) -> tuple[torch.Tensor, torch.Tensor]:
    return (
        refine.model.encode_image(batch.images["main"]).pooled, refine.model.encode_text(batch.texts["caption"]).pooled,
    )  # fmt: skip


def weights_of(module) -> list[torch.Tensor]:
    return [value.clone() for value in module.state_dict().values()]


def test_its_terms_are_alignment_and_distillation(refine, batch):
    assert list(refine.losses(batch, START).terms) == ["align", "distil"]


def test_alignment_is_the_mean_of_squares_to_one_point_a_pair(refine, batch):
    torch.manual_seed(5)
    term = refine.losses(batch, START).terms["align"]
    image, text = embedded(refine, batch)
    torch.manual_seed(5)
    points = torch.randn(len(batch), image.shape[1])
    torch.testing.assert_close(term, ((image - points) ** 2).mean() + ((text - points) ** 2).mean())


def test_without_a_teacher_share_distillation_is_the_contrast(refine, batch):
    term = with_numbers(refine, teacher_share=0.0, align=0.0).losses(batch, START).terms["distil"]
    image, text = (normalize(rows, dim=-1) for rows in embedded(refine, batch))
    scores = refine.model.logit_scale() * image @ text.T
    right = torch.arange(len(batch))
    torch.testing.assert_close(term, (cross_entropy(scores, right) + cross_entropy(scores.T, right)) / 2)


@pytest.mark.parametrize("logits", ["raw", "scaled_cosine"])
def test_a_student_that_is_its_teacher_has_nothing_to_learn_of_it_alone(refine, batch, logits):
    refine.model.eval()  # as the teacher is, for whom batches have no statistics of their own
    method = with_numbers(refine, teacher_share=1.0, align=0.0, logits=logits)
    term = method.losses(batch, START).terms["distil"]
    assert term.item() == pytest.approx(0, abs=1e-5)
    term.backward()
    assert max(float(p.grad.abs().max()) for p in refine.model.parameters() if p.grad is not None) < 1e-5


@pytest.mark.parametrize(("logits", "same"), [("raw", False), ("scaled_cosine", True)])
def test_only_raw_products_follow_the_length_of_features(refine, batch, logits, same):
    def distil() -> torch.Tensor:
        return with_numbers(refine, logits=logits, align=0.0).losses(batch, START).terms["distil"].detach()

    refine.model.eval()  # or the first look would move BatchNorm's running means, which the teacher takes over
    before = distil()
    with torch.no_grad():
        refine.model.image_projection.linear.weight.mul_(3)
    assert torch.allclose(distil(), before, rtol=1e-4) == same


def test_the_teacher_learns_nothing_and_stays_as_it_began(refine, vocabulary):
    before = weights_of(refine.teacher)
    student = weights_of(refine.model)
    first_losses(refine, vocabulary, name="clip_refine")
    assert all(torch.equal(*pair) for pair in zip(before, weights_of(refine.teacher), strict=True))
    assert not all(torch.equal(*pair) for pair in zip(student, weights_of(refine.model), strict=True))
    optimisation = load_recipe(REPOSITORY, "clip_refine", "debug").training.optimisation
    learns = {id(p) for group in param_groups(refine, optimisation) for p in group["params"]}
    assert not learns & {id(p) for p in refine.teacher.parameters()}


def test_the_teacher_is_what_the_model_begins_with_not_what_was_drawn(vocabulary):
    method = method_at_debug(vocabulary, "clip_refine")
    with torch.no_grad():
        for parameter in method.model.parameters():
            parameter.add_(1.0)  # as weights of a start that come after the method was made
    method.begin()
    for ours, theirs in zip(weights_of(method.model), weights_of(method.teacher.model), strict=True):
        assert torch.equal(ours, theirs)


def test_gradients_reach_every_parameter_but_the_scale_of_raw_products(refine, batch):
    for gain in (p for p in refine.model.parameters() if p.ndim == 1):
        torch.nn.init.normal_(gain)
    sum(refine.losses(batch, START).terms.values()).backward()
    assert [name for name, p in refine.model.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_the_first_steps_lose_what_they_lost(refine, vocabulary):
    losses = first_losses(refine, vocabulary, name="clip_refine")
    assert len(losses) == STEPS
    assert losses == pytest.approx(GOLDEN["losses"], rel=1e-4)


def test_contrast_can_be_added(refine, batch):
    terms = with_numbers(refine, contrast=2.0).losses(batch, START).terms
    image, text = (normalize(rows, dim=-1) for rows in embedded(refine, batch))
    scores = refine.model.logit_scale() * image @ text.T
    right = torch.arange(len(batch))
    torch.testing.assert_close(terms["contrast"], cross_entropy(scores, right) + cross_entropy(scores.T, right))


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({"align": -1.0}, "the weights are align -1"),
        ({"align": 0.0, "distil": 0.0}, "one of them more than 0"),
        ({"teacher_share": 1.5}, "blend is 1.5"),
        ({"temperature": 0.0}, "temperature is 0.0"),
    ],
)
def test_numbers_that_mean_nothing_are_refused(refine, numbers, said):
    with pytest.raises(ConfigError, match=said):
        with_numbers(refine, **numbers)


def test_raw_products_of_unlike_lengths_are_told_of_once(refine, batch, capsys):
    with torch.no_grad():
        refine.model.text_projection.linear.weight.mul_(100)
    method = with_numbers(refine, logits="raw")
    for _ in range(2):
        method.losses(batch, START)
    assert capsys.readouterr().out.count("scaled_cosine in the recipe") == 1


def test_a_start_that_is_no_finite_number_is_refused(refine, batch):
    with torch.no_grad():
        refine.model.text_projection.linear.weight[0, 0] = float("nan")
    with pytest.raises(DataError, match="no finite numbers"):
        with_numbers(refine).losses(batch, START)


def test_one_pair_is_no_batch(refine, vocabulary):
    batches = batches_at_debug(vocabulary, "clip_refine")
    batches.part = slice(0, 1)
    with pytest.raises(ConfigError, match="one pair"):
        refine.eval().losses(batches[0], START)
