"""The best look's weights are taken, also by a training that was stopped in between."""

import pytest
import torch
from torch import nn

from components.finetuning.best import Best


class Scores:
    """A watch that says what it is told, one after the other."""

    def __init__(self, *scores: float) -> None:
        self.left = list(scores)

    def __call__(self, model: nn.Module) -> dict[str, float]:
        said = self.left.pop(0)
        return {"one": said - 0.1, "other": said + 0.1}


def looked(folder, *scores, model=None, start=0):
    """Return the model after a look at each score, its one weight having been the number of the look."""
    model = model or nn.Linear(1, 1)
    best = Best(folder, Scores(*scores))
    for place, score in enumerate(scores, start):
        nn.init.constant_(model.weight, place)
        assert best(model)["one"] == pytest.approx(score - 0.1)
    return model, best


@pytest.mark.parametrize(
    ("scores", "taken"),
    [((0.1, 0.3, 0.2), 1), ((0.1, 0.2, 0.3), 2), ((0.3, 0.3, 0.3), 0), ((float("-inf"), -2.0, -3.0), 1)],
)
def test_the_weights_of_the_best_look_are_taken_of_equals_the_first(tmp_path, scores, taken):
    model, best = looked(tmp_path, *scores)
    best.take(model)
    assert model.weight.item() == taken
    assert best.score == pytest.approx(max(scores))


def test_what_was_stopped_goes_on_with_the_best_there_was(tmp_path):
    looked(tmp_path, 0.5, 0.1)
    model, best = looked(tmp_path, 0.4, 0.2, start=2)
    best.take(model)
    assert model.weight.item() == 0
    model, best = looked(tmp_path, 0.6, start=4)
    best.take(model)
    assert model.weight.item() == 4


def test_all_of_the_model_is_taken(tmp_path):
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    best = Best(tmp_path, Scores(1.0))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    best(model)
    for value in model.state_dict().values():
        value.add_(1)
    best.take(model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
