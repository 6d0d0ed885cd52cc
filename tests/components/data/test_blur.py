"""Blurred faces are seen no more, the rest of the picture stays, and what has no face is not touched at all."""

import io

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut, lfw_subset

from components.data.blur import MARGIN, PASSES, blurred
from components.data.faces import FaceFinder
from components.data.transforms.preprocess import decode
from tests.components.data.test_faces import pasted

SOME = 20


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


def stored(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    held = io.BytesIO()
    picture.save(held, kind, **options)
    return held.getvalue()


def rgb(data: bytes) -> np.ndarray:
    return np.asarray(decode(data).convert("RGB"), np.int16)


def outside(finder: FaceFinder, picture: Image.Image) -> np.ndarray:
    """Return which pixels are far from every face that is seen."""
    far = np.ones((picture.height, picture.width), bool)
    for left, top, right, bottom in finder.boxes(picture):
        x, y = (int(side * MARGIN * PASSES) + 1 for side in (right - left, bottom - top))
        far[max(0, top - y) : bottom + y, max(0, left - x) : right + x] = False
    return far


def test_no_face_that_was_seen_is_seen_afterwards(finder):
    seen = 0
    for seed, crop in enumerate(lfw_subset()[:SOME]):
        picture = pasted(crop, seed, 100)
        found = blurred(stored(picture), finder)
        assert (found is not None) == finder(picture)
        if found is not None:
            seen += 1
            assert not finder(decode(found[0]).convert("RGB"))
    assert seen >= 0.9 * SOME


def test_a_face_loses_its_detail_and_every_other_pixel_stays(finder):
    picture = Image.fromarray(astronaut()).resize(
        (300, 300)
    )  # in which no part is taken for a face, once one is smeared
    data, suffix = blurred(stored(picture), finder)
    before, after = rgb(stored(picture)), rgb(data)
    assert suffix == ".png"
    far = outside(finder, picture)
    assert 0.5 < far.mean() < 1
    assert np.array_equal(before[far], after[far])
    left, top, right, bottom = finder.boxes(picture)[0]
    inside = np.s_[top:bottom, left:right]
    edges = [np.abs(np.diff(pixels[inside].mean(-1), axis=1)).mean() for pixels in (before, after)]
    assert edges[1] < edges[0] / 4
    assert np.abs(before[inside] - after[inside]).mean() > 10


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_stays_one_without_what_its_file_said_besides(finder, mode):
    picture = Image.fromarray(astronaut()).convert(mode)
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    data = stored(picture, "JPEG", quality=85, exif=exif)
    found, suffix = blurred(data, finder)
    assert suffix == ".jpg"
    assert Image.open(io.BytesIO(found)).format == "JPEG"
    assert b"taken at home" in data
    assert b"taken at home" not in found
    far = outside(finder, decode(data).convert("RGB"))
    changed = np.abs(rgb(data)[far] - rgb(found)[far])  # looking again may take a part for a face
    assert np.quantile(changed, 0.75) <= 6
    assert np.median(changed) <= 2
    assert len(found) < 2 * len(data)


def test_a_picture_on_its_side_comes_out_upright(finder):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter to see it
    turned = Image.fromarray(astronaut()).transpose(Image.Transpose.ROTATE_90)
    found = blurred(stored(turned, "JPEG", exif=exif, quality=95), finder)
    assert found is not None
    far = outside(finder, Image.fromarray(astronaut()))
    assert np.abs(rgb(found[0])[far] - astronaut()[far]).mean() < 3


def test_transparency_stays(finder):
    picture = Image.fromarray(astronaut()).convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size).point(lambda value: 255 - value // 2))
    found = blurred(stored(picture), finder)
    assert found is not None
    alpha = np.asarray(decode(found[0]).getchannel("A"), np.int16)
    assert np.abs(alpha - np.asarray(picture.getchannel("A"), np.int16)).max() <= 40
    assert alpha.min() < 140


@pytest.mark.parametrize("data", [b"", b"no picture", stored(Image.new("RGB", (200, 200), "grey"))])
def test_what_has_no_face_or_is_no_picture_is_not_touched(finder, data):
    assert blurred(data, finder) is None
