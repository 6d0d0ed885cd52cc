"""Few tokens of many: maps that are shares, the mean as a special case, and what the similarity of one token each is."""

import pytest
import torch
from torch.nn.functional import normalize

from components.contracts.errors import ConfigError
from components.models.token_learner import TokenLearner
from components.objectives.similarity import max_sim

TOKENS = torch.randn(3, 9, 16, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def learner() -> TokenLearner:
    torch.manual_seed(1)
    return TokenLearner(16, tokens=4, groups=4)


def test_each_map_shares_itself_out_over_all_places(learner):
    maps = learner.maps(TOKENS)
    assert maps.shape == (3, 4, 9)
    assert bool((maps > 0).all())
    torch.testing.assert_close(maps.sum(-1), torch.ones(3, 4))


def test_what_is_left_is_the_mean_of_the_values_by_its_map(learner):
    values = torch.stack([learner.values(row.T[None])[0].T for row in TOKENS])
    torch.testing.assert_close(learner(TOKENS), learner.maps(TOKENS) @ values)


def test_one_even_map_is_the_mean_of_the_values():
    torch.manual_seed(2)
    learner = TokenLearner(16, tokens=1)
    torch.nn.init.zeros_(learner.places.weight)
    wanted = learner.values(TOKENS.transpose(1, 2)).mean(2, keepdim=True).transpose(1, 2)
    torch.testing.assert_close(learner(TOKENS), wanted)


def test_the_order_of_the_tokens_does_not_matter(learner):
    torch.testing.assert_close(learner(TOKENS[:, torch.randperm(9)]), learner(TOKENS))


def test_a_group_of_features_sees_only_its_own(learner):
    changed = TOKENS.clone()
    changed[..., :4] += 1  # the first of four groups
    moved = (learner.values(changed.transpose(1, 2)) - learner.values(TOKENS.transpose(1, 2))).abs().amax((0, 2))
    assert bool((moved[:4] > 0).all())
    assert not moved[4:].any()


def test_one_token_of_either_side_scores_as_one_vector_each():
    torch.manual_seed(3)
    image, text = TokenLearner(16, tokens=1)(TOKENS), torch.randn(5, 1, 16)
    scores = max_sim(image, text, torch.ones(5, 1, dtype=torch.bool))
    cosines = normalize(image[:, 0], dim=-1) @ normalize(text[:, 0], dim=-1).T
    torch.testing.assert_close(scores.image_to_text, cosines)
    torch.testing.assert_close(scores.text_to_image, cosines.T)


def test_gradients_reach_every_parameter_and_every_token(learner):
    tokens = TOKENS.clone().requires_grad_()
    learner(tokens).square().sum().backward()
    assert [name for name, weight in learner.named_parameters() if not weight.grad.any()] == []
    assert bool(tokens.grad.any(-1).all())


def test_it_drops_in_training_only():
    torch.manual_seed(4)
    learner = TokenLearner(16, tokens=4, dropout=0.5)
    assert bool((learner(TOKENS) == 0).any())
    torch.testing.assert_close(learner.eval()(TOKENS), learner.eval()(TOKENS), rtol=0, atol=0)
    assert not bool((learner(TOKENS) == 0).any())


@pytest.mark.parametrize(
    ("numbers", "said"),
    [({"tokens": 0}, "tokens is 0"), ({"dropout": 1.0}, "dropout is 1.0"), ({"groups": 3}, "groups is 3"), ({"groups": 0}, "groups is 0")],
)  # fmt: skip
def test_numbers_that_cannot_be_are_refused(numbers, said):
    with pytest.raises(ConfigError, match=said):
        TokenLearner(16, **numbers)
