"""The scale starts where the paper starts it, and clamps; the projection is a plain linear map."""

import math

import pytest
import torch

from components.contracts.errors import ConfigError
from components.models.projection import LogitScale, Projection


def test_the_scale_starts_at_one_over_the_temperature():
    assert LogitScale(temperature=0.07)().item() == pytest.approx(1 / 0.07)
    assert LogitScale().log_scale.item() == pytest.approx(math.log(1 / 0.07))


@pytest.mark.parametrize(("temperature", "clamped"), [(0.001, 100.0), (0.02, 50.0)])
def test_clamping_lowers_what_is_above_the_bound_and_nothing_else(temperature, clamped):
    scale = LogitScale(temperature=temperature, most=100.0)
    scale.clamp()
    assert scale().item() == pytest.approx(clamped, rel=1e-6)


def test_the_scale_is_learned():
    scale = LogitScale(temperature=0.1)
    scale().backward()
    assert scale.log_scale.grad.item() == pytest.approx(10.0)


def test_a_scale_that_is_kept_has_no_gradient_and_the_same_weights():
    kept = LogitScale(temperature=0.02, bias=-10.0, learn=False)
    assert not any(parameter.requires_grad for parameter in kept.parameters())
    assert kept.state_dict().keys() == LogitScale(bias=-10.0).state_dict().keys()
    assert kept().item() == pytest.approx(50, rel=1e-6)


def test_an_offset_is_a_bias_of_that_length_and_puts_two_sides_apart():
    torch.manual_seed(0)
    sides = [Projection(64, 128, kind="affine", offset=20.0) for _ in range(2)]
    assert [side.linear.bias.norm().item() for side in sides] == pytest.approx([20.0, 20.0])
    means = [torch.nn.functional.normalize(side(torch.randn(500, 64)), dim=-1).mean(0) for side in sides]
    # Lengths are the root of 128 + 400, of which 20 is common; the two directions are nearly at right angles.
    assert (means[0] - means[1]).norm().item() == pytest.approx(2**0.5 * 20 / 528**0.5, abs=0.15)


def test_an_offset_without_a_bias_is_refused():
    with pytest.raises(ConfigError, match=r"offset is 2\.0, but kind is linear"):
        Projection(4, 4, offset=2.0)


def test_a_projection_adds_nothing_and_keeps_size():
    torch.manual_seed(0)
    projection = Projection(256, 64)
    assert not projection(torch.zeros(1, 256)).any()
    assert [name for name, _ in projection.named_parameters()] == ["linear.weight"]
    # Unit variance in, unit variance out; the drawn weights alone move it by a few hundredths.
    assert projection(torch.randn(500, 256)).var().item() == pytest.approx(1, abs=0.1)
