"""Scores by tokens: as loops over pairs give them, and the seven properties of seed 19."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from components.contracts.errors import DataError
from components.objectives.similarity import max_sim, nearest_patch

N, M, K, L, D = 5, 4, 6, 7, 8


@pytest.fixture(params=range(3))
def tokens(request) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(request.param)
    mask = torch.arange(L) < torch.tensor([7, 1, 4, 3])[:, None]
    return torch.randn(N, K, D, generator=draw), torch.randn(M, L, D, generator=draw), mask


def by_loops(image: Tensor, text: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    image, text = normalize(image, dim=-1), normalize(text, dim=-1)
    one, other = image.new_zeros(N, M), image.new_zeros(M, N)
    for n in range(len(image)):
        for m in range(len(text)):
            cosines = image[n] @ text[m][mask[m]].T
            one[n, m] = cosines.max(1).values.mean()
            other[m, n] = cosines.max(0).values.mean()
    return one, other


def both(image: Tensor, text: Tensor, mask: Tensor, **more) -> tuple[Tensor, Tensor]:
    scores = max_sim(image, text, mask, **more)
    return scores.image_to_text, scores.text_to_image


def test_value_and_gradient_are_those_of_loops(tokens):
    image, text, _ = tokens
    image.requires_grad_()
    text.requires_grad_()
    weight = torch.randn(N, M)
    for way, ours in enumerate(both(*tokens)):
        theirs, turned = by_loops(*tokens)[way], weight if way == 0 else weight.T
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
        got, wanted = (
            torch.autograd.grad((one * turned).sum(), [image, text], retain_graph=True) for one in (ours, theirs)
        )
        for gradient, peer in zip(got, wanted, strict=True):
            torch.testing.assert_close(gradient, peer, rtol=1e-4, atol=1e-6)


def test_of_one_token_each_it_is_the_cosine():
    image, text = torch.randn(N, 1, D), torch.randn(M, 1, D)
    cosines = normalize(image[:, 0], dim=-1) @ normalize(text[:, 0], dim=-1).T
    one, other = both(image, text, torch.ones(M, 1, dtype=torch.bool))
    torch.testing.assert_close(one, cosines)
    torch.testing.assert_close(other, cosines.T)


def same(ours: tuple[Tensor, ...], theirs: tuple[Tensor, ...]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_padding_changes_nothing(tokens):
    image, text, mask = tokens
    longer = torch.cat([text, 9 * torch.randn(M, 3, D)], 1), torch.cat([mask, torch.zeros(M, 3, dtype=torch.bool)], 1)
    same(both(image, *longer), both(*tokens))


def test_the_order_of_patches_and_words_changes_nothing(tokens):
    image, text, mask = tokens
    words = torch.randperm(L)
    same(both(image[:, torch.randperm(K)], text[:, words], mask[:, words]), both(*tokens))


def test_every_patch_twice_changes_nothing(tokens):
    image, text, mask = tokens
    same(both(torch.cat([image, image], 1), text, mask), both(*tokens))


def test_scores_are_cosines(tokens):
    for scores in both(*tokens):
        assert scores.abs().max() <= 1 + 1e-6


def test_only_what_was_found_has_a_gradient(tokens):
    image, text, mask = tokens
    text.requires_grad_()
    one, _ = both(*tokens)
    one[0, 0].backward()
    cosines = normalize(image[0], dim=-1) @ normalize(text[0].detach(), dim=-1).T
    found = set(cosines.masked_fill(~mask[0], -2).argmax(1).tolist())
    assert set(text.grad[0].abs().sum(1).nonzero().flatten().tolist()) == found
    assert not text.grad[1:].any()


@pytest.mark.parametrize("chunk", [1, 2, 100])
def test_chunks_change_nothing(tokens, chunk):
    same(both(*tokens, chunk=chunk), both(*tokens))


def test_it_is_float32_and_finite_in_bf16(tokens):
    image, text, mask = tokens
    for scores in both(image.bfloat16() * 1e4, text.bfloat16() * 1e-4, mask):
        assert scores.dtype == torch.float32
        assert torch.isfinite(scores).all()


def test_a_text_without_words_is_told(tokens):
    image, text, mask = tokens
    mask[2] = False
    with pytest.raises(DataError, match="text 2 of the batch has no real token"):
        max_sim(image, text, mask)


@pytest.mark.parametrize("chunk", [1, 3, 64])
def test_a_phrase_finds_its_nearest_patch_as_one_word_does(tokens, chunk):
    image, text, _ = tokens
    found = nearest_patch(image, text[:, 0], chunk)
    torch.testing.assert_close(found, both(image, text[:, :1], torch.ones(M, 1, dtype=torch.bool))[1])
    assert nearest_patch(image, text[:0, 0], chunk).shape == (0, N)


def test_a_phrases_gradient_reaches_its_nearest_patch_alone(tokens):
    image, text, _ = tokens
    image.requires_grad_()
    (gradient,) = torch.autograd.grad(nearest_patch(image, text[:1, 0])[0, 2], image)
    reached = gradient.abs().sum(2) > 0
    nearest = (normalize(image[2], dim=-1) @ normalize(text[0, 0], dim=-1)).argmax()
    assert reached.nonzero().tolist() == [[2, int(nearest)]]
