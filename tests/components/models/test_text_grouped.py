"""Patches pooled by text: what the weights are, what leaves them alone, and where nothing tells patches apart (seed 10, 3 to 5)."""

import pytest
import torch
from torch.nn.functional import normalize

from components.models.text_grouped import group_weights, text_grouped

NORMS = ["min_max", "softmax"]
NEAR = torch.tensor([[[0.1, 0.5, 0.9, 0.4]]])  # cosines of one text to four patches


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def test_by_hand():
    # Over the least and the most: 0, 0.5, 1, 0.375; all of them but the first are above a quarter.
    weights = group_weights(NEAR)
    torch.testing.assert_close(weights, torch.tensor([[[0.0, 0.5, 1.0, 0.375]]]) / 1.875)
    torch.testing.assert_close(group_weights(NEAR, threshold=0.4), torch.tensor([[[0.0, 0.5, 1.0, 0.0]]]) / 1.5)


@pytest.mark.parametrize("norm", NORMS)
def test_it_is_what_loops_say(norm):
    patches, texts = drawn(2, 5, 4), drawn(2, 3, 4).flip(0)
    got = text_grouped(patches, texts, norm)
    for picture in range(2):
        near = normalize(patches[picture], dim=-1)
        for text in range(3):
            cosines = [float(one @ normalize(texts[picture, text], dim=0)) for one in near]
            if norm == "softmax":
                powers = [torch.tensor(one).exp() for one in cosines]
                shares = [one / sum(powers) for one in powers]
            else:
                shares = [(one - min(cosines)) / (max(cosines) - min(cosines)) for one in cosines]
            kept = [one if one >= 0.2 else 0.0 for one in shares]
            wanted = sum(one / sum(kept) * patch for one, patch in zip(kept, near, strict=True))
            torch.testing.assert_close(got[picture, text], normalize(wanted, dim=0))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("threshold", [None, 0.0, 0.3, 1.0])
def test_weights_are_at_least_0_and_1_together(norm, threshold):
    weights = group_weights(normalize(drawn(4, 3, 9), dim=-1), norm, threshold)
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(4, 3))


@pytest.mark.parametrize("norm", NORMS)
def test_just_below_1_only_the_nearest_patch_stays(norm):
    cosines = drawn(4, 3, 9)
    weights = group_weights(cosines, norm, 0.999)
    assert ((weights > 0).sum(-1) == 1).all()
    assert torch.equal(weights.argmax(-1), cosines.argmax(-1))


@pytest.mark.parametrize("norm", NORMS)
def test_what_is_added_to_all_cosines_changes_no_weight(norm):
    cosines = drawn(4, 3, 9)
    torch.testing.assert_close(group_weights(cosines + 0.7, norm), group_weights(cosines, norm))


@pytest.mark.parametrize("norm", NORMS)
def test_a_single_patch_is_what_is_pooled(norm):
    patch = drawn(2, 1, 4)
    got = text_grouped(patch, drawn(2, 3, 4), norm)
    torch.testing.assert_close(got, normalize(patch, dim=-1).expand(2, 3, 4))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("patches", [1, 3, 49])
def test_patches_that_are_alike_count_alike_and_their_gradient_is_finite(norm, patches):
    alike = drawn(1, 1, 4).expand(2, patches, 4).clone().requires_grad_()
    texts = drawn(2, 3, 4).requires_grad_()
    flat = torch.full((2, 3, patches), 0.25)
    torch.testing.assert_close(group_weights(flat, norm), torch.full_like(flat, 1 / patches))
    (text_grouped(alike, texts, norm) * drawn(2, 3, 4)).sum().backward()
    assert torch.isfinite(alike.grad).all()
    assert torch.isfinite(texts.grad).all()


def test_texts_learn_through_the_weights_unless_they_are_taken_as_they_are():
    patches, texts = drawn(2, 5, 4), drawn(2, 3, 4).requires_grad_()
    away = drawn(2, 3, 4).flip(-1)
    (text_grouped(patches, texts) * away).sum().backward()
    assert texts.grad.any()
    assert not text_grouped(patches, texts, detach=True).requires_grad
    torch.testing.assert_close(text_grouped(patches, texts, detach=True), text_grouped(patches, texts).detach())


def test_it_computes_in_float32_whatever_it_is_given():
    patches, texts = drawn(2, 5, 4).bfloat16() * 1e4, drawn(2, 3, 4).bfloat16() * 1e-4
    got = text_grouped(patches, texts)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got.norm(dim=-1), torch.ones(2, 3))
