"""Real faces are found, a picture without one mostly is not taken for one, and size decides nothing."""

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut, lfw_subset

from components.data.faces import FaceFinder


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


def pasted(crop: np.ndarray, seed: int, size: int) -> Image.Image:
    """Return smooth noise with the crop in it, `size` pixels a side."""
    noise = np.random.default_rng(seed).integers(60, 200, (6, 8, 3), dtype=np.uint8)
    picture = Image.fromarray(noise).resize((240, 180), Image.Resampling.BICUBIC)
    picture.paste(
        Image.fromarray((crop * 255).astype(np.uint8)).resize((size, size), Image.Resampling.BICUBIC), (80, 60)
    )
    return picture


@pytest.mark.parametrize("size", [60, 100])
def test_of_a_hundred_faces_95_are_found_and_of_a_hundred_others_20_at_most_are_taken_for_one(finder, size):
    crops = lfw_subset()  # a hundred faces, then a hundred parts of pictures without one
    assert len(crops) == 200
    assert sum(finder(pasted(crop, seed, size)) for seed, crop in enumerate(crops[:100])) >= 95
    assert sum(finder(pasted(crop, seed, size)) for seed, crop in enumerate(crops[100:])) <= 20


@pytest.mark.parametrize("size", [128, 300, 512, 1200])
def test_a_portrait_is_found_at_every_size(finder, size):
    assert finder(Image.fromarray(astronaut()).resize((size, size)))


@pytest.mark.parametrize("size", [(1, 1), (16, 300), (24, 24), (320, 200)])
def test_flat_and_tiny_pictures_have_none(finder, size):
    assert not finder(Image.new("RGB", size, "grey"))


@pytest.mark.parametrize("size", [300, 900])
def test_the_box_is_where_the_face_is_in_pixels_of_the_picture(finder, size):
    """The astronaut's face lies at about 178 to 272 across and 70 to 180 down, of 512."""
    (left, top, right, bottom), *_ = finder.boxes(Image.fromarray(astronaut()).resize((size, size)))
    assert (left + right) / 2 / size == pytest.approx(225 / 512, abs=0.05)
    assert (top + bottom) / 2 / size == pytest.approx(125 / 512, abs=0.05)
    assert 0.1 < (right - left) / size < 0.35
