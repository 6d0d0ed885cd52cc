"""Words matched with patches: as POT and scipy do it, and properties 2 to 4 of seed 52.

Axes: N pictures, M texts, K patches, L words, D shared width.
"""

import json
from pathlib import Path

import pytest
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn.functional import normalize

from components.contracts.errors import ConfigError, DataError
from components.objectives.similarity import max_sim
from components.objectives.token_match import assigned, shared_out, token_match

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "token_match.json").read_text())
N, M, K, L, D = 5, 4, 8, 7, 6


@pytest.fixture(params=range(3))
def tokens(request) -> tuple[Tensor, Tensor, Tensor]:
    """Patches that are alike, so that words compete for them; texts of 7, 1, 4 and 3 words."""
    draw = torch.Generator().manual_seed(request.param)
    mask = torch.arange(L) < torch.tensor([7, 1, 4, 3])[:, None]
    image = torch.randn(N, 1, D, generator=draw) + 0.5 * torch.randn(N, K, D, generator=draw)
    return image, torch.randn(M, L, D, generator=draw), mask


def cosines_of(image: Tensor, text: Tensor) -> Tensor:
    """Return [M N L K]."""
    return torch.einsum("mld,nkd->mnlk", normalize(text, dim=-1), normalize(image, dim=-1))


def given(tokens: tuple[Tensor, Tensor, Tensor], capacity: int | None) -> Tensor:
    """Return [M N L], the patch of each word in each pair."""
    image, text, mask = tokens
    cosines = cosines_of(image, text).flatten(0, 1)
    return assigned(cosines, mask.repeat_interleave(N, 0), capacity).unflatten(0, (M, N))


@pytest.mark.parametrize("case", GOLDEN["cases"])
def test_patch_score_and_gradients_are_those_of_pots_plan(case):
    image, text = (torch.tensor(case[name])[None].requires_grad_() for name in ("image", "text"))
    mask = torch.arange(text.shape[1])[None] < case["words"]
    patches = assigned(cosines_of(image, text)[0], mask, case["capacity"])
    assert patches[0, : case["words"]].tolist() == case["given"]
    score = token_match(image, text, mask, capacity=case["capacity"])
    torch.testing.assert_close(score.item(), case["score"], rtol=1e-5, atol=1e-6)
    score.sum().backward()
    for name, side in (("image", image), ("text", text)):
        torch.testing.assert_close(side.grad[0], torch.tensor(case["gradients"][name]), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("case", [case for case in GOLDEN["cases"] if case["shares"]])
def test_the_shares_of_words_are_pots_plan_with_entropy(case):
    image, text = (torch.tensor(case[name])[None] for name in ("image", "text"))
    mask, cosines = torch.arange(text.shape[1])[None] < case["words"], cosines_of(image, text)[0]
    shares = shared_out(cosines, mask, case["capacity"], GOLDEN["temperature"])[0]
    torch.testing.assert_close(shares[: case["words"]], torch.tensor(case["shares"]), rtol=0, atol=1e-3)
    assert not shares[case["words"] :].any()


@pytest.mark.parametrize("capacity", [1, 2])
def test_words_are_shared_out_whole_and_patches_hold_what_they_may(tokens, capacity):
    image, text, mask = tokens
    cosines = cosines_of(image, text).flatten(0, 1)
    shares = shared_out(cosines, mask.repeat_interleave(N, 0), capacity, 0.05)
    torch.testing.assert_close(shares.sum(2), mask.repeat_interleave(N, 0).float())
    assert shares.sum(1).max() <= capacity + 0.05


def test_the_colder_the_shares_the_nearer_the_score_is_to_the_matching(tokens):
    exact = token_match(*tokens, capacity=1)
    off = [(token_match(*tokens, capacity=1, temperature=one) - exact).abs().mean() for one in (1.0, 0.3, 0.1, 0.03)]
    assert off == sorted(off, reverse=True)
    assert off[-1] < 0.02 < 0.1 < off[0]


def test_no_gradient_goes_through_the_shares(tokens):
    image, text, mask = tokens
    sides, weight = [image.requires_grad_(), text.requires_grad_()], torch.randn(M, N)
    cosines = cosines_of(image, text)
    shares = shared_out(cosines.flatten(0, 1), mask.repeat_interleave(N, 0), 1, 0.1).unflatten(0, (M, N))
    wanted = torch.autograd.grad((weight * (shares * cosines).sum((2, 3)) / mask.sum(1)[:, None]).sum(), sides)
    got = torch.autograd.grad((weight * token_match(*tokens, capacity=1, temperature=0.1)).sum(), sides)
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_a_temperature_that_shares_nothing_out_is_refused(tokens):
    with pytest.raises(ConfigError, match="temperature is 0"):
        token_match(*tokens, capacity=1, temperature=0.0)


def test_a_capacity_of_one_is_scipys_assignment(tokens):
    image, text, mask = tokens
    ours, cosines = given(tokens, 1), cosines_of(image, text)
    for m in range(M):
        for n in range(N):
            _, theirs = linear_sum_assignment(cosines[m, n][mask[m]].numpy(), maximize=True)
            assert ours[m, n][mask[m]].tolist() == theirs.tolist()


def test_a_capacity_of_all_words_is_the_best_patch_of_each(tokens):
    image, text, mask = tokens
    wanted = max_sim(image, text, mask).text_to_image
    for capacity in (L, None):
        torch.testing.assert_close(token_match(image, text, mask, capacity=capacity), wanted)


@pytest.mark.parametrize("capacity", [1, 2, 3])
def test_no_patch_has_more_words_than_its_capacity(tokens, capacity):
    mask = tokens[2]
    for m, patches in enumerate(given(tokens, capacity)):
        assert all(torch.bincount(row[mask[m]]).max() <= capacity for row in patches)


def test_more_room_never_lowers_a_score(tokens):
    one, two, any_number = (token_match(*tokens, capacity=capacity) for capacity in (1, 2, None))
    assert (one <= two + 1e-6).all()
    assert (two <= any_number + 1e-6).all()
    assert (one < any_number - 1e-3).any()


def test_a_text_with_more_words_than_places_has_as_many_a_patch_as_it_needs(tokens):
    image, text, mask = tokens
    patches = given((image[:, :3], text, mask), 1)
    for m, room in enumerate((3, 1, 2, 1)):  # of 7, 1, 4 and 3 words on three patches
        assert {int(torch.bincount(row[mask[m]]).max()) for row in patches[m]} == {room}


def test_only_what_is_marked_is_matched(tokens):
    matched = torch.zeros(M, N, dtype=torch.bool)
    matched[[0, 2], [3, 1]] = True
    mixed, every, free = (
        token_match(*tokens, **more) for more in ({"capacity": 1, "matched": matched}, {"capacity": 1}, {})
    )
    torch.testing.assert_close(mixed, torch.where(matched, every, free))


def test_no_gradient_goes_through_the_choice(tokens):
    """That of the scores with the patches held still."""
    image, text, mask = tokens
    sides = [image.requires_grad_(), text.requires_grad_()]
    weight, patches = torch.randn(M, N), given(tokens, 1)
    assert not patches.requires_grad
    kept = cosines_of(image, text).gather(3, patches[..., None])[..., 0] * mask[:, None]
    wanted = torch.autograd.grad((weight * kept.sum(2) / mask.sum(1)[:, None]).sum(), sides)
    got = torch.autograd.grad((weight * token_match(*tokens, capacity=1)).sum(), sides)
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "how", [{"capacity": 1}, {"capacity": None}, {"capacity": 1, "temperature": 0.1}], ids=["exact", "free", "shared"]
)
def test_padding_changes_nothing(tokens, how):
    image, text, mask = tokens
    longer = torch.cat([9 * torch.randn(M, 3, D), text], 1), torch.cat([torch.zeros(M, 3, dtype=torch.bool), mask], 1)
    torch.testing.assert_close(token_match(image, *longer, **how), token_match(*tokens, **how))


@pytest.mark.parametrize("chunk", [1, 2, 100])
def test_chunks_change_nothing(tokens, chunk):
    torch.testing.assert_close(token_match(*tokens, capacity=1, chunk=chunk), token_match(*tokens, capacity=1))


def test_it_is_float32_and_finite_in_bf16(tokens):
    image, text, mask = tokens
    scores = token_match(image.bfloat16() * 1e4, text.bfloat16() * 1e-4, mask, capacity=1)
    assert scores.dtype == torch.float32
    assert torch.isfinite(scores).all()


def test_what_is_no_number_is_left_for_the_guards(tokens):
    image, text, mask = tokens
    image[0, 0, 0] = torch.nan
    assert token_match(image, text, mask, capacity=1).isnan().any(0).tolist() == [True, *[False] * (N - 1)]


def test_a_text_without_words_is_told(tokens):
    image, text, mask = tokens
    mask[2] = False
    with pytest.raises(DataError, match="text 2 of the batch has no word that counts"):
        token_match(image, text, mask)
