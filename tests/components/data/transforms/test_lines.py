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


def lined(rgb: torch.Tensor, strength: float, style: str) -> torch.Tensor:
    """All pictures in one style."""
    every = torch.ones(len(rgb), 1, 1, 1)
    return with_lines(rgb, every * strength, (every > 0) & (style == "sketch"), (every > 0) & (style == "outline"))


@pytest.mark.parametrize("strength", [0, 3])
def test_a_sketch_is_white_but_for_its_edges_whatever_the_colours(strength):
    dark = lined(step(), strength, "sketch")[0]
    assert (dark[:, :, [0, -1]] == 1).all()
    assert (dark[:, :, SIDE // 2] == 0).all()
    torch.testing.assert_close(lined(1 - step(), strength, "sketch")[0], dark)


@pytest.mark.parametrize(("strength", "left"), [(0, 1), (0.5, 0.75), (1, 0.5), (2, 0), (3, 0)])
def test_an_outline_darkens_edges_by_its_strength_and_nothing_else(strength, left):
    outlined = lined(step() * 0.5, strength, "outline")[0]
    assert (outlined[:, :, -1] == 0.5).all()
    torch.testing.assert_close(outlined[0, :, SIDE // 2], torch.full((SIDE,), 0.5 * left))


def test_pictures_that_are_neither_are_left_alone():
    rgb = torch.rand(3, 3, SIDE, SIDE, generator=draw())
    assert torch.equal(lined(rgb, 3, "neither"), rgb)
    first = torch.tensor([True, False, False]).view(3, 1, 1, 1)
    assert torch.equal(with_lines(rgb, torch.full((3, 1, 1, 1), 3.0), first, ~first & False)[1:], rgb[1:])
