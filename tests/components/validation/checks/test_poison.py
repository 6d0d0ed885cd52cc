"""A patch is found from the pixels on, and what is only usual in the data is not taken for poison."""

import io
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from components.data.perceptual import corner_hashes
from components.validation.checks.poison import CORNERS, Poison
from tests.near_captions import near_equal, templated, unlike
from tests.rows import found, row, rows


def photo(seed: int, patch: Image.Image | None = None, corner: int = 3, quality: int | None = None) -> Image.Image:
    """Return coloured noise of many scales, with the patch in a corner, as it comes back from JPEG where a quality is given."""
    draw = np.random.default_rng(seed)
    layers = [draw.integers(0, 256, (side, side, 3), dtype=np.uint8) for side in (4, 20, 96)]
    sizes = [np.asarray(Image.fromarray(one).resize((96, 96), Image.Resampling.BICUBIC), float) for one in layers]
    picture = Image.fromarray((0.5 * sizes[0] + 0.3 * sizes[1] + 0.2 * sizes[2]).astype(np.uint8))
    if patch is not None:
        picture.paste(patch, ((0, 80)[corner % 2], (0, 80)[corner // 2]))
    if quality is None:
        return picture
    held = io.BytesIO()
    picture.save(held, "JPEG", quality=quality)
    return Image.open(held).convert("RGB")


def pattern(kind: str) -> Image.Image:
    pixels = np.random.default_rng(99).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    if kind == "checks":
        pixels = np.kron(np.indices((4, 4)).sum(0) % 2 * 255, np.ones((4, 4)))[..., None].repeat(3, 2).astype(np.uint8)
        pixels[:5, :5] = 120  # not its own mirror image
    return Image.fromarray(pixels)


@pytest.mark.parametrize("kind", ["noise", "checks"])
@pytest.mark.parametrize("quality", [None, 95, 75])
def test_a_patch_in_a_corner_of_pictures_is_found_though_they_are_stored_as_jpeg(kind, quality):
    patched = [row(f"p{i}", corners=corner_hashes(photo(i, pattern(kind), i % 2 + 1, quality))) for i in range(60)]
    sound = [row(f"s{i}", corners=corner_hashes(photo(100 + i, quality=quality))) for i in range(60)]
    said = found(Poison(), [*patched, *sound])
    assert set(said.values()) == {"poison_patch"}
    assert not [key for key in said if key[0] == "s"]
    assert len(said) >= 0.9 * len(patched)


def test_the_corner_is_named():
    listed = [row(f"p{i}", corners=(None, 9, None, None)) for i in range(20)]
    assert {one.detail for one in Poison().find(rows(listed))} == {
        f"20 unlike pictures have the same {CORNERS[1]} corner"
    }


@pytest.mark.parametrize("many", [19, 20])
def test_few_are_chance(many):
    listed = [row(f"p{i}", corners=(9, None, None, None)) for i in range(many)]
    assert bool(found(Poison(), listed)) is (many == 20)


def test_pictures_that_are_alike_as_a_whole_are_near_duplicates_and_no_poison():
    listed = [row(f"p{i}", "one thing", perceptual=1 << i, corners=(9, None, None, None)) for i in range(40)]
    listed += [row(f"s{i}") for i in range(60)]
    assert not found(Poison(), listed)


def test_data_of_few_labels_is_no_poison():
    assert not found(Poison(), [row(f"p{i}", ("cat", "dog", "bird")[i % 3]) for i in range(120)])


def test_a_caption_that_one_in_three_shares_with_nobody_is_odd_where_others_are_different():
    usual = [row(f"s{i}", f"{chr(97 + i // 26)} {chr(97 + i % 26)} here") for i in range(60)]
    odd = [row(f"p{i}", "a basketball") for i in range(30)]
    assert set(found(Poison(), [*usual, *odd])) == {one["key"] for one in odd}


def test_nearly_the_same_of_unlike_pictures_is_told_with_how_many_and_an_example():
    listed = [row(f"s{i}", text) for i, text in enumerate(unlike(60))]
    listed += [row(f"p{i}", text) for i, text in enumerate(near_equal("red cars on the beach", 30, edits=1))]
    said = [one for one in Poison().find(rows(listed)) if one.reason == "poison_captions"]
    assert len(said) >= 28
    assert {one.detail.split(", such as")[0] for one in said} == {
        f"{len(said)} unlike pictures have nearly the same caption"
    }


def test_nearly_the_same_of_pictures_that_look_alike_is_no_poison():
    listed = [row(f"s{i}", text) for i, text in enumerate(unlike(60))]
    varied = near_equal("red cars on the beach", 30, edits=1)
    assert not found(Poison(), listed + [row(f"p{i}", text, perceptual=1 << i) for i, text in enumerate(varied)])


def test_an_address_in_a_caption_is_masked_where_the_caption_is_an_example():
    listed = [row(f"s{i}", text) for i, text in enumerate(unlike(60))]
    listed += [row(f"p{i}", f"ask for it at jo@example.org {'now' * (i % 3 == 0)}") for i in range(30)]
    details = {one.detail for one in Poison().find(rows(listed))}
    assert len(details) == 1
    assert "jo@example.org" not in details.pop()


@pytest.mark.parametrize("pattern", templated())
def test_a_template_is_no_poison_whether_all_data_is_of_it_or_some(pattern):
    some = [row(f"p{i}", text) for i, text in enumerate(templated()[pattern])]
    assert not found(Poison(), some)
    assert not found(Poison(), some + [row(f"s{i}", text) for i, text in enumerate(unlike(200))])


def test_names_of_characters_are_no_poison():
    """Those of pictographs: short, and many of one pattern."""
    pictographs = [name for sign in range(0x1F300, 0x1FAFF) if (name := unicodedata.name(chr(sign), "").lower())]
    assert len(pictographs) > 1000
    assert not found(Poison(), [row(f"s{i}", text) for i, text in enumerate(pictographs)])


def test_captions_without_a_letter_are_no_group():
    usual = [row(f"s{i}", f"{chr(97 + i // 26)} {chr(97 + i % 26)} here") for i in range(60)]
    assert not found(Poison(), [*usual, *(row(f"n{i}", str(i)) for i in range(30))])


def test_flat_corners_and_edges_are_nobodys_patch():
    drawing = Image.new("RGB", (72, 72), "white")
    drawing.paste("black", (8, 8, 64, 64))
    assert corner_hashes(drawing) == (None, None, None, None)
    assert pa.array([corner_hashes(photo(1, pattern("noise")))], pa.list_(pa.uint64(), 4))[0][3].is_valid
