"""The hash is the peer's, bit for bit, and stays near when a picture is stored again."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps
from scipy.fft import dct

from components.data.perceptual import KEPT, SIDE, bits_of, perceptual_hash

GOLDEN = json.loads((Path(__file__).parents[2] / "golden/phash.json").read_text())


def photo(seed: int) -> Image.Image:
    """Return smooth coloured noise: as much to see as in a photograph."""
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((240, 180), Image.Resampling.BICUBIC)


def stored(picture: Image.Image, quality: int) -> Image.Image:
    held = io.BytesIO()
    picture.save(held, "JPEG", quality=quality)
    return Image.open(held).convert("RGB")


CHANGES = {
    "jpeg of quality 30": lambda picture: stored(picture, 30),
    "half as large": lambda picture: picture.resize((120, 90)),
    "larger": lambda picture: picture.resize((500, 375), Image.Resampling.BICUBIC),
    "a little brighter": lambda picture: ImageEnhance.Brightness(picture).enhance(1.05),
    "another encoding and size": lambda picture: stored(picture.resize((180, 135)), 60),
}


def apart(one: Image.Image, other: Image.Image) -> int:
    return (perceptual_hash(one) ^ perceptual_hash(other)).bit_count()


@pytest.mark.parametrize("case", GOLDEN["cases"])
def test_all_bits_are_those_of_imagehash(case):
    picture = Image.fromarray(np.array(case["pixels"], np.uint8)).resize(GOLDEN["resized"], Image.Resampling.BICUBIC)
    assert f"{perceptual_hash(picture):016x}" == case["phash"]


def test_the_coefficients_are_those_of_scipy():
    grey = np.random.default_rng(3).integers(0, 256, (SIDE, SIDE)).astype(float)
    low = dct(dct(grey, axis=0), axis=1)[:KEPT, :KEPT]
    expected = "".join("01"[int(bit)] for bit in (low > np.median(low)).ravel())
    assert f"{bits_of(grey):064b}" == expected


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_picture_stored_again_is_at_most_four_bits_away(change):
    distances = [apart(photo(seed), change(photo(seed))) for seed in range(40)]
    assert np.mean(np.array(distances) <= 4) >= 0.95


def test_other_pictures_are_far_away():
    hashes = [perceptual_hash(photo(seed)) for seed in range(60)]
    assert min((a ^ b).bit_count() for i, a in enumerate(hashes) for b in hashes[:i]) > 8


def test_the_side_on_which_rounding_falls_decides_nothing():
    """Of a picture that is its own mirror image, odd coefficients are nought; the least noise must not turn their bits."""
    half = np.random.default_rng(5).integers(0, 256, (SIDE, SIDE // 2)).astype(float)
    whole = np.concatenate([half, half[:, ::-1]], axis=1)
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(scale=1e-9, size=whole.shape)
        assert bits_of(whole + noise) == bits_of(whole)


def test_turning_a_picture_is_seen():
    assert apart(photo(1), ImageOps.mirror(photo(1))) > 8
