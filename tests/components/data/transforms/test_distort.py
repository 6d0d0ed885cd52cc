"""A blur is scipy's Gaussian of the same deviation, and a solarised picture has its bright parts turned.

Axes: N pictures, S pixels a side.
"""

import torch
from scipy.ndimage import gaussian_filter

from components.data.transforms.distort import WIDEST, blurred, solarised

SIDE = 224


def pictures(count: int) -> torch.Tensor:
    return torch.rand(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def test_a_blur_is_scipys_and_each_picture_has_its_own():
    rgb, deviation = pictures(3), torch.tensor([0.0, WIDEST / 2, WIDEST])
    seen = blurred(rgb, deviation)
    assert torch.equal(seen[0], rgb[0])
    for picture, before, one in zip(seen[1:], rgb[1:], deviation[1:] * SIDE, strict=True):
        wanted = gaussian_filter(before.double().numpy(), float(one), mode="nearest", radius=6, axes=(1, 2))
        torch.testing.assert_close(picture, torch.from_numpy(wanted).float(), rtol=0, atol=1e-5)


def test_only_bright_parts_of_the_chosen_are_turned():
    rgb = torch.tensor([0.2, 0.5, 0.9]).view(1, 3, 1, 1).repeat(2, 1, 1, 1)
    seen = solarised(rgb, torch.tensor([True, False]).view(2, 1, 1, 1))
    torch.testing.assert_close(seen.flatten(1), torch.tensor([[0.2, 0.5, 0.1], [0.2, 0.5, 0.9]]))
