"""The scale starts where the paper starts it, and clamps; the projection is a plain linear map."""

import math

import pytest
import torch

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


def test_a_projection_adds_nothing_and_keeps_size():
    torch.manual_seed(0)
    projection = Projection(256, 64)
    assert not projection(torch.zeros(1, 256)).any()
    assert [name for name, _ in projection.named_parameters()] == ["linear.weight"]
    # Unit variance in, unit variance out; the drawn weights alone move it by a few hundredths.
    assert projection(torch.randn(500, 256)).var().item() == pytest.approx(1, abs=0.1)
