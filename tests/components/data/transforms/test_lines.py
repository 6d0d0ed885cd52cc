"""Edges are those of scipy's Sobel filter, and lines lie where they are.

Axes: N pictures, S pixels a side.
"""

import numpy as np
import pytest
import torch
from scipy.ndimage import sobel

from components.data.transforms.lines import edges_of, with_lines

SIDE = 12


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def step() -> torch.Tensor:
    """Black on the left, white on the right."""
    picture = torch.zeros(1, 3, SIDE, SIDE)
    picture[..., SIDE // 2 :] = 1
    return picture


def test_edges_are_those_of_scipy():
    rgb = torch.rand(5, 3, SIDE, SIDE, generator=draw()) / 2  # small enough that no edge is cut off at 1
    grey = rgb.mean(1).numpy().astype(np.float64)
    expected = [np.hypot(*(sobel(one, axis, mode="nearest") / 4 for axis in (0, 1))) for one in grey]
    np.testing.assert_allclose(edges_of(rgb)[:, 0].numpy(), expected, atol=1e-6)


def test_a_step_from_black_to_white_has_an_edge_of_one_and_flat_parts_none():
    edges = edges_of(step())[0, 0]
    assert (edges[:, [SIDE // 2 - 1, SIDE // 2]] == 1).all()
    assert edges.sum() == 2 * SIDE


def test_a_drawing_is_white_but_for_its_edges_whatever_the_colours():
    dark = with_lines(step(), 1.0, 0.0, draw())[0]
    assert (dark[:, :, [0, -1]] == 1).all()
    assert (dark[:, :, SIDE // 2] == 0).all()
    torch.testing.assert_close(with_lines(1 - step(), 1.0, 0.0, draw())[0], dark)


@pytest.mark.parametrize("seed", range(4))
def test_an_outline_darkens_edges_by_its_strength_and_nothing_else(seed):
    strength = torch.rand(1, generator=draw(seed)) * 3
    lined = with_lines(step() * 0.5, 0.0, 1.0, draw(seed))[0]
    assert (lined[:, :, -1] == 0.5).all()
    torch.testing.assert_close(lined[0, 0, SIDE // 2], 0.5 * (1 - (0.5 * strength[0]).clamp(0, 1)))


def test_shares_are_of_the_pictures_and_the_rest_is_left_alone():
    rgb = torch.rand(1, 3, SIDE, SIDE, generator=draw()).expand(900, -1, -1, -1)
    lined = with_lines(rgb, 0.3, 0.2, draw(1))
    colourless = (lined[:, 0] == lined[:, 1]).flatten(1).all(1)
    same = (lined == rgb).flatten(1).all(1)
    assert colourless.sum() == pytest.approx(270, abs=60)  # four deviations
    assert same.sum() == pytest.approx(450, abs=60)
    assert not (colourless & same).any()
