"""Tokens that are kept: those that fit best, in their order, one at least, and no gradient through the choice."""

import pytest
import torch

from components.models.token_picker import picked
from components.objectives.similarity import max_sim

D = 8


@pytest.fixture
def batch():
    """Two pictures of four patches, two texts of four words, of which patch 2 and word 1 are made for each other."""
    torch.manual_seed(0)
    image, text = 0.1 * torch.randn(2, 4, D), 0.1 * torch.randn(2, 4, D)
    image[..., 0] += 1
    text[..., 1] += 1
    for row in range(2):
        image[row, 2] = text[row, 1] = torch.eye(D)[2 + row]
    return image, text, torch.tensor([[True] * 4, [True, True, False, False]])


def test_what_fits_best_is_kept(batch):
    image, text, _ = batch
    patches, words, real = picked(*batch, share=0.25)
    assert torch.equal(patches, image[:, 2:3])
    assert torch.equal(words, text[:, 1:2])
    assert real.all()


def test_all_is_all_in_its_order(batch):
    patches, words, real = picked(*batch, share=1.0)
    assert torch.equal(patches, batch[0])
    assert torch.equal(words[0], batch[1][0])
    assert torch.equal(real, batch[2])


def test_one_token_stays_however_small_the_share(batch):
    patches, words, _ = picked(*batch, share=0.01)
    assert patches.shape == words.shape == (2, 1, D)


def test_a_text_with_too_few_words_keeps_padding_that_counts_for_nothing(batch):
    patches, words, real = picked(*batch, share=0.75)
    assert real.sum(1).tolist() == [3, 2]
    assert torch.isfinite(max_sim(patches, words, real).text_to_image).all()


def test_gradients_go_through_what_is_kept_and_nothing_else(batch):
    image, text, mask = batch
    image.requires_grad_()
    patches, _, _ = picked(image, text, mask, share=0.25)
    patches.sum().backward()
    assert image.grad[:, 2].all()
    assert not image.grad[:, [0, 1, 3]].any()
