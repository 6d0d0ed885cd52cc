"""Which alpha is taken, on a model whose score can be read off its one weight."""

import pytest
import torch
from torch import nn

from components.contracts.progress import silent
from components.finetuning.ensemble import ensemble, score

PRETRAINED, TUNED = 10.0, 20.0


class One(nn.Module):
    """A model that is one number."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(value))


def taken(alphas, best: float, progress=silent):
    """Choose among alphas by how near the weight comes to `best`; return what was seen, and the weight that is left."""
    model = One(TUNED)

    def watch(model: nn.Module) -> dict[str, float]:
        assert not model.training
        return {"val.near": -abs(float(model.weight.detach()) - best), "val.same": 1.0}

    seen = ensemble(model, One(PRETRAINED).state_dict(), alphas, watch, progress)
    return seen, float(model.weight.detach())


@pytest.mark.parametrize(
    ("best", "alpha"), [(10.0, 0.0), (0.0, 0.0), (14.6, 0.5), (17.0, 0.75), (20.0, 1.0), (99.0, 1.0)]
)
def test_the_best_of_the_grid_is_left_in_the_model(best, alpha):
    seen, weight = taken([0.0, 0.25, 0.5, 0.75, 1.0], best)
    assert (seen.alpha, weight) == (alpha, PRETRAINED + 10 * alpha)


def test_of_equals_the_nearest_to_the_pre_trained_weights_is_taken():
    seen, _ = taken([1.0, 0.75, 0.25], best=15.0)  # 0.25 and 0.75 are as far from it
    assert seen.alpha == 0.25


def test_a_single_alpha_is_taken_whatever_it_scores_and_the_ends_are_told_beside_it():
    seen, weight = taken([0.5], best=10.0)
    assert (seen.alpha, weight, seen.grid) == (0.5, 15.0, (0.5,))
    assert {alpha: said["val.near"] for alpha, said in seen.tried.items()} == {0.0: 0.0, 0.5: -5.0, 1.0: -10.0}


def test_an_end_that_is_no_choice_is_looked_at_and_not_taken():
    seen, _ = taken([0.25, 0.5], best=20.0)
    assert seen.alpha == 0.5
    assert score(seen.tried[1.0]) > score(seen.tried[0.5])


def test_it_tells_every_alpha():
    told = []
    taken(
        [0.5], best=10.0, progress=lambda doing, done, total, **seen: told.append((doing, done, total, seen["alpha"]))
    )
    assert told == [("choosing alpha", number, 3, alpha) for number, alpha in ((1, 0.0), (2, 0.5), (3, 1.0))]
