"""What is frozen takes no gradient, moves no statistic, and is proven not to have changed."""

import pytest
import torch
from torch import nn

from components.contracts.errors import ConfigError
from components.finetuning.freeze import Freeze


class Towers(nn.Module):
    """Two small towers with all that could move: weights, running statistics, dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.image = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
        self.text = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
        self.text_projection = nn.Linear(4, 2, bias=False)
        self.scale = nn.Parameter(torch.ones(()))
        self.register_buffer("mean", torch.zeros(4), persistent=False)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.scale * (self.text_projection(self.text(rows)) + self.image(rows)[:, :2])


@pytest.fixture
def towers() -> Towers:
    torch.manual_seed(2)
    return Towers()


def step(towers: Towers) -> None:
    """Take one step with decay on everything that takes a gradient."""
    optimizer = torch.optim.AdamW([p for p in towers.parameters() if p.requires_grad], lr=0.1, weight_decay=0.1)
    towers(torch.randn(8, 4)).square().sum().backward()
    optimizer.step()


def test_gradients_reach_what_fits_a_pattern_and_nothing_else(towers):
    Freeze(towers, ["text.*", "scale"]).apply()
    taken = {name for name, parameter in towers.named_parameters() if parameter.requires_grad}
    assert taken == {"text.0.weight", "text.0.bias", "text.1.weight", "text.1.bias", "scale"}


def test_a_pattern_ends_at_its_dot(towers):
    freeze = Freeze(towers, ["text.*"])
    assert freeze.is_trained("text.0.weight")
    assert not freeze.is_trained("text_projection.weight")


def test_what_is_frozen_whole_is_in_evaluation_mode_and_the_rest_is_not(towers):
    towers.eval()
    Freeze(towers, ["text.*"]).apply()
    modes = {name: part.training for name, part in towers.named_modules()}
    assert not any(mode for name, mode in modes.items() if name.startswith(("image", "text_projection")))
    assert all(mode for name, mode in modes.items() if name == "" or name.split(".")[0] == "text")


def test_within_a_part_that_trains_in_part_only_what_stays_is_in_evaluation_mode(towers):
    Freeze(towers, ["text.0.*"]).apply()
    assert [part.training for part in towers.text] == [
        True,
        False,
        True,
    ]  # dropout has no tensors: as the part around it


def test_frozen_tensors_stay_to_the_last_bit_and_running_statistics_with_them(towers):
    freeze = Freeze(towers, ["text.*"])
    freeze.apply()
    before = {name: tensor.clone() for name, tensor in towers.state_dict().items()}
    with freeze.held():
        step(towers)
    changed = {name for name, tensor in towers.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {f"text.{name}" for name in
                       ("0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var", "1.num_batches_tracked")}  # fmt: skip


def test_without_the_freeze_the_same_step_moves_statistics_so_that_this_means_something(towers):
    before = towers.image[1].running_mean.clone()
    step(towers)
    assert not torch.equal(towers.image[1].running_mean, before)


@pytest.mark.parametrize(
    "name", ["image.0.weight", "image.1.running_var", "image.1.num_batches_tracked", "mean", "text_projection.weight"]
)
def test_a_change_of_anything_that_stays_is_seen_and_named(towers, name):
    freeze = Freeze(towers, ["text.*", "scale"])
    before = freeze.digest()
    first = {**dict(towers.named_parameters()), **dict(towers.named_buffers())}[name].data.view(-1)[:1]
    with pytest.raises(ConfigError, match=f"{name} was to stay.*1 such tensors"), freeze.held():
        first += 1 if name.endswith("tracked") else 2e-7  # about the last bit of a number near 1
    assert freeze.digest() != before


def test_a_change_of_what_trains_is_none_of_its_business(towers):
    freeze = Freeze(towers, ["text.*", "scale"])
    before = freeze.digest()
    with freeze.held():
        towers.text[0].weight.data.add_(1)
        towers.text[1].running_mean.add_(1)
    assert freeze.digest() == before


def test_the_digest_is_of_values_and_not_of_how_they_lie_in_memory(towers):
    freeze = Freeze(towers, ["text.*"])
    before = freeze.digest()
    towers.image[0].weight.data = towers.image[0].weight.data.t().contiguous().t()
    assert not towers.image[0].weight.is_contiguous()
    assert freeze.digest() == before


def test_another_name_or_shape_of_the_same_bytes_is_another_digest():
    def digest(name: str, *shape: int) -> str:
        module = nn.Module()
        module.register_parameter("trained", nn.Parameter(torch.ones(1)))
        module.register_parameter(name, nn.Parameter(torch.zeros(*shape)))
        return Freeze(module, ["trained"]).digest()

    assert len({digest("a", 2, 3), digest("b", 2, 3), digest("a", 3, 2), digest("a", 6)}) == 4


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [("txt.*", r"text\.\*"), ("text_projecton.*", r"text_projection\.\*"), ("scal", "scale"), ("mean", "")],
)
def test_a_pattern_that_no_parameter_fits_is_refused_with_the_nearest_name(towers, pattern, meant):
    with pytest.raises(
        ConfigError, match=rf"pattern '{pattern[:3]}.*It has image, scale, text, text_projection; did you mean {meant}"
    ):
        Freeze(towers, ["text.*", pattern])
