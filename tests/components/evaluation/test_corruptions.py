"""Corruptions are those of ImageNet-C: what comes out is what imagecorruptions gives, and what is drawn is drawn by key."""

import json
from pathlib import Path

import numpy as np
import pytest

from components.evaluation.corruptions import CORRUPTIONS, OF_PX, STRENGTHS, corrupted, disk, trail

GOLDEN = json.loads((Path(__file__).parents[2] / "golden/corruptions.json").read_text())["made"]
DRAWN = ("gaussian_noise", "shot_noise", "impulse_noise")
TURNED = ("motion_blur",)  # the peer draws another direction
BLOCK = 16


def picture(side: int = OF_PX) -> np.ndarray:
    """The picture that tests/golden/make_corruptions.py gives the peer."""
    y, x = np.mgrid[:side, :side] / side
    ground = np.stack([0.3 + 0.4 * x, 0.5 - 0.3 * y, 0.4 + 0.2 * x * y], -1)
    ground[np.hypot(x - 0.4, y - 0.45) < 0.22] = (0.85, 0.2, 0.1)
    ground[(abs(x - 0.75) < 0.05) & (y > 0.2)] = (0.05, 0.1, 0.3)
    ground[(y > 0.8) & (np.floor(x * 28) % 2 == 0)] = (0.9, 0.9, 0.6)
    return (ground * 255).round().astype(np.uint8)


def moved(pixels: np.ndarray, given: np.ndarray) -> float:
    return float(np.sqrt(((pixels.astype(float) - given) ** 2).mean()))


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: f"{row['name']}-{row['strength']}")
def test_it_is_what_imagecorruptions_gives(row):
    given = picture()
    ours = corrupted(given, row["name"], row["strength"], seed=0, key="any")
    # Its zooms begin at whole pixels, its motion has another direction, which crosses other edges, and it rounds down.
    far = 0.12 if row["name"] in ("motion_blur", "zoom_blur") else 0.03
    assert moved(ours, given) == pytest.approx(row["moved"], rel=far)
    if row["name"] not in TURNED:
        means = ours.astype(float).mean(-1).reshape(14, BLOCK, 14, BLOCK).mean((1, 3)).ravel()
        noise = row["moved"] / BLOCK if row["name"] in DRAWN else 0.0  # of a mean over 256 pixels, of both of us
        assert abs(means - row["blocks"]).mean() < 1 + noise


def test_every_corruption_has_its_golden_rows():
    assert {(row["name"], row["strength"]) for row in GOLDEN} == {
        (name, strength) for name in CORRUPTIONS for strength in STRENGTHS
    }


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_same_arguments_give_the_same_and_the_picture_stays_as_it_was(name):
    given = picture(32)
    before = given.copy()
    first = corrupted(given, name, 2, seed=3, key="one")
    np.testing.assert_array_equal(first, corrupted(given, name, 2, seed=3, key="one"))
    np.testing.assert_array_equal(given, before)
    assert moved(first, given) > 1
    others = [corrupted(given, name, 2, seed=3, key="two"), corrupted(given, name, 2, seed=4, key="one")]
    draws = name in (*DRAWN, *TURNED)
    assert all((moved(first, other) > 0) == draws for other in others)


@pytest.mark.parametrize("name", DRAWN)
def test_a_stronger_noise_is_noisier_everywhere_alike(name):
    given = picture()
    far = [moved(corrupted(given, name, strength, 0, "one"), given) for strength in STRENGTHS]
    assert far[0] * 1.4 < far[1]
    assert far[1] * 1.4 < far[2]


def test_a_stronger_noise_is_the_same_noise():
    grey = np.full((32, 32, 3), 128, np.uint8)
    weak, strong = (corrupted(grey, "gaussian_noise", strength, 0, "one").astype(float) - 128 for strength in (1, 2))
    assert np.corrcoef(weak.ravel(), strong.ravel())[0, 1] > 0.98
    spoilt = [corrupted(grey, "impulse_noise", strength, 0, "one") != 128 for strength in STRENGTHS]
    assert (spoilt[0] <= spoilt[2]).all(), "what is hit weakly is hit strongly"


@pytest.mark.parametrize("name", sorted(set(CORRUPTIONS) - set(DRAWN) - {"brightness", "jpeg_compression"}))
def test_a_picture_of_one_colour_has_nothing_to_lose(name):
    flat = np.full((24, 24, 3), (200, 30, 90), np.uint8)
    assert abs(corrupted(flat, name, 3, 0, "one").astype(int) - flat).max() <= 1


def test_brightness_raises_the_largest_channel_and_keeps_the_hue():
    pixels = np.array([[[100, 50, 0], [0, 0, 0]]] * 2, np.uint8)
    assert corrupted(pixels, "brightness", 2, 0, "one")[0].tolist() == [[176, 88, 0], [76, 76, 76]]  # 0.3 is 76.5


def test_contrast_pulls_towards_the_mean_of_each_channel():
    pixels = np.array([[[0, 100, 10]], [[200, 100, 30]]], np.uint8).repeat(2, 1)
    assert corrupted(pixels, "contrast", 1, 0, "one")[:, 0].tolist() == [[60, 100, 16], [140, 100, 24]]


@pytest.mark.parametrize("side", [1, 3, 8])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_small_pictures_keep_their_size(name, side):
    assert corrupted(picture(side), name, 3, 0, "one").shape == (side, side, 3)


@pytest.mark.parametrize("radius", [0.0, 0.4, 1.0, 2.3, 10.0])
def test_a_disk_covers_what_a_circle_has(radius):
    kernel = disk(radius)
    assert kernel.sum() == pytest.approx(1)
    np.testing.assert_allclose(kernel, kernel.T)
    np.testing.assert_allclose(kernel, kernel[::-1])
    if radius >= 1:
        assert 1 / kernel.max() == pytest.approx(np.pi * radius**2, rel=0.05)


def test_a_trail_goes_one_way_and_fades():
    kernel = trail(reach=3, deviation=2, degrees=0)
    middle = len(kernel) // 2
    assert kernel.sum() == pytest.approx(1)
    np.testing.assert_allclose(kernel[middle].sum(), 1)
    assert kernel[middle, : middle - 1].sum() == 0
    assert (np.diff(kernel[middle, middle + 1 :]) <= 1e-12).all()
    down = trail(reach=3, deviation=2, degrees=45)
    assert down[middle + 1 :, middle + 1 :].sum() > 0.5
