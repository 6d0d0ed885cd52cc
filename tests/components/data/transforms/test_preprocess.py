"""The one path from bytes to pixels: upright, on its background, square, or refused with a reason."""

import io
import json
import math
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from sklearn.datasets import load_sample_images

from components.data.transforms import preprocess as module
from components.data.transforms.preprocess import BadImage, Preprocess, decode, on_background, to_float, upright
from tests.squares import png

RED, BLUE = (255, 0, 0), (0, 0, 255)


def halves(mode: str = "RGB") -> Image.Image:
    """Red at the left, blue at the right, 16 x 8."""
    picture = Image.new("RGB", (16, 8), BLUE)
    picture.paste(RED, (0, 0, 8, 8))
    return picture.convert(mode)


def corner(pixels: np.ndarray) -> tuple[int, ...]:
    """The colour at the top left."""
    return tuple(pixels[:, 0, 0].tolist())


def test_a_picture_of_the_right_size_comes_through_untouched():
    values = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    pixels = Preprocess(size=8)(png(Image.fromarray(values)))
    assert pixels.dtype == np.uint8
    assert np.array_equal(pixels, values.transpose(2, 0, 1))


def test_the_short_side_fits_and_the_centre_is_kept():
    wide = Image.new("RGB", (40, 10), RED)
    wide.paste(BLUE, (15, 0, 25, 10))
    pixels = Preprocess(size=10)(png(wide))
    assert pixels.shape == (3, 10, 10)
    assert (pixels[2] == 255).all()
    assert (pixels[0] == 0).all()


def test_a_large_picture_is_averaged_down_not_sampled():
    stripes = Image.fromarray(np.tile(np.array([[0, 255]], np.uint8), (64, 32)))
    pixels = Preprocess(size=8)(png(stripes))
    assert np.abs(pixels.astype(int) - 128).max() <= 8


@pytest.mark.parametrize(
    ("orientation", "corners"),  # colour at the top left and at the bottom right of what is to be seen
    [(1, (RED, BLUE)), (2, (BLUE, RED)), (3, (BLUE, RED)), (6, (RED, BLUE)), (8, (BLUE, RED))],
)
def test_a_photo_is_turned_upright(orientation, corners):
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = decode(png(halves(), exif=exif)).convert("RGB")
    assert upright.size == ((16, 8) if orientation <= 4 else (8, 16))
    assert (upright.getpixel((0, 0)), upright.getpixel((upright.width - 1, upright.height - 1))) == corners


@pytest.mark.parametrize("background", [(255, 255, 255), (0, 128, 0)])
def test_what_is_transparent_shows_the_background(background):
    preprocess = Preprocess(size=8, background=background)
    assert corner(preprocess(png(Image.new("RGBA", (8, 8), (9, 9, 9, 0))))) == background
    mixed = preprocess(png(Image.new("RGBA", (8, 8), (0, 0, 0, 51))))
    assert corner(mixed) == tuple(round(channel * 0.8) for channel in background)


def test_a_palette_keeps_its_colours_and_its_transparent_entry():
    plain = halves().quantize(4)
    assert corner(Preprocess(size=8)(png(plain.crop((0, 0, 8, 8))))) == RED
    transparent = Preprocess(size=8)(png(plain, transparency=plain.getpixel((0, 0))))
    assert corner(transparent) == (255, 255, 255)
    assert tuple(transparent[:, 0, -1]) == BLUE


@pytest.mark.parametrize(
    ("picture", "kind", "colour"),
    [
        (halves(), "JPEG", RED),
        (halves(), "WEBP", RED),
        (halves(), "GIF", RED),
        (Image.new("L", (8, 8), 77), "PNG", (77, 77, 77)),
        (Image.new("LA", (8, 8), (0, 0)), "PNG", (255, 255, 255)),
        (Image.new("1", (8, 8), 1), "PNG", (255, 255, 255)),
        (Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", RED),
        (Image.new("I;16", (8, 8), 77 * 256), "PNG", (77, 77, 77)),
    ],
    ids=["jpeg", "webp", "gif", "grey", "grey-alpha", "bits", "cmyk", "grey-16-bit"],
)
def test_every_kind_of_picture_shows_what_it_shows(picture, kind, colour):
    seen = corner(Preprocess(size=8)(png(picture.crop((0, 0, 8, 8)), kind)))
    assert np.abs(np.subtract(seen, colour)).max() <= 8  # JPEG and WebP lose a little


def test_a_grey_of_16_bits_that_is_clear_shows_the_background_and_the_next_grey_does_not():
    greys = np.array([[2570, 2571]], np.uint16)  # alike in 8 bits
    clear = png(Image.fromarray(greys.repeat(8, 0).repeat(4, 1)), transparency=2570)
    assert Preprocess(size=8)(clear)[0, 0].tolist() == [255] * 4 + [10] * 4
    assert Preprocess(size=8).rgba(clear)[:, 0, 0].tolist() == [10, 10, 10, 0]


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
@pytest.mark.parametrize("bits", [8, 16])
def test_a_tiff_in_which_zero_is_white_is_no_negative(bits, compression):
    white = {8: Image.new("L", (8, 8), 255), 16: Image.new("I;16", (8, 8), 0)}[bits]  # Pillow turns 8 to write them
    seen = Preprocess(size=8)(png(white, "TIFF", tiffinfo={262: 0}, compression=compression))
    assert corner(seen) == (255, 255, 255)


def test_numbers_without_a_white_are_refused_not_shown_black():
    with pytest.raises(BadImage, match="mode F"):
        decode(png(Image.new("F", (8, 8), 0.5), "TIFF"))


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"<svg/>", png(halves())[:-30]])
def test_bytes_that_are_no_picture_are_refused(data):
    with pytest.raises(BadImage, match="not a picture that can be decoded"):
        Preprocess(size=8)(data)


@given(data=st.binary(max_size=80), place=st.integers(0, 500), flip=st.integers(1, 255))
@settings(max_examples=100)
def test_damaged_bytes_give_pixels_or_bad_image_and_nothing_else(data, place, flip):
    whole = bytearray(png(halves()))
    whole[place % len(whole)] ^= flip
    refused = []
    for attempt in (bytes(whole), bytes(whole) + data, data):
        try:
            assert Preprocess(size=8)(attempt).shape == (3, 8, 8)
        except BadImage as err:
            refused.append(str(err))
    assert not [message for message in refused if "/" in message]  # no path of ours goes to a client


@pytest.mark.parametrize("size", [(5001, 5000), (1, 25_000_001), (60_000, 60_000)])
def test_a_bomb_is_refused_before_it_is_decoded(size):
    data = bytearray(png(Image.new("1", (8, 8))))  # its header will promise more pixels than it has
    data[16:24] = size[0].to_bytes(4, "big") + size[1].to_bytes(4, "big")
    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    with pytest.raises(BadImage, match=r"at most 25,000,000 are taken|DecompressionBomb"):
        decode(bytes(data))


def test_the_largest_picture_that_is_allowed_is_taken():
    assert module.MAX_PIXELS == 25_000_000
    assert decode(png(Image.new("1", (5000, 5000)))).size == (5000, 5000)


def test_it_travels_as_json():
    preprocess = Preprocess(size=48, background=(1, 2, 3))
    assert Preprocess.from_json(preprocess.to_json()) == preprocess


@pytest.mark.parametrize("sides", [(40, 30), (30, 40), (37, 23), (61, 22), (24, 24), (17, 16), (500, 333), (9, 30)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("interpolation", module.INTERPOLATIONS)
def test_a_whole_picture_is_resized_and_cropped_as_torchvision_does(sides, kind, interpolation):
    from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

    luck = np.random.default_rng(0)
    data = png(Image.fromarray(luck.integers(0, 256, (sides[1], sides[0], 3), np.uint8)), kind)
    theirs = Compose([Resize(16, InterpolationMode(interpolation)), CenterCrop(16)])
    ours = Preprocess(size=16, reduced=False, resizer="pillow", whole=True, interpolation=interpolation)
    assert np.array_equal(ours(data), np.asarray(theirs(Image.open(io.BytesIO(data)))).transpose(2, 0, 1))
    left, top, right, bottom = ours.window(data)
    alone = Preprocess(size=16, reduced=False, resizer="pillow").window(data)
    assert np.abs(np.subtract((left, top, right, bottom), alone)).max() < 1 / 16
    assert 0 <= left < right <= 1
    assert 0 <= top < bottom <= 1


def test_whole_is_told_where_it_is_so_and_is_for_pillow_alone():
    ours = Preprocess(size=8, resizer="pillow", whole=True)
    assert Preprocess.from_json(ours.to_json()) == ours
    assert "whole" not in json.loads(Preprocess(size=8).to_json())  # as packages have it that were made before
    with pytest.raises(ValueError, match="by Pillow alone"):
        Preprocess(size=8, resizer="simd", whole=True)


@pytest.mark.parametrize("shape", [{}, {"squeeze": True}, {"whole": True}, {"trim": True}])
def test_what_is_resized_bilinear_says_so_and_differs(shape):
    photo = png(Image.fromarray(load_sample_images().images[0]))
    bicubic, bilinear = (
        Preprocess(size=32, resizer="pillow", interpolation=way, **shape) for way in module.INTERPOLATIONS
    )
    assert 0 < np.abs(bicubic(photo).astype(int) - bilinear(photo)).mean() < 8
    assert Preprocess.from_json(bilinear.to_json()) == bilinear
    assert "interpolation" not in json.loads(bicubic.to_json())  # as packages have it that were made before


def test_an_interpolation_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="interpolation is 'lanczos', but a picture is resized bicubic or bilinear"):
        Preprocess(size=8, resizer="pillow", interpolation="lanczos")
    with pytest.raises(ValueError, match="Set resizer to pillow"):
        Preprocess(size=8, resizer="simd", interpolation="bilinear")


def test_a_wide_picture_is_squeezed_whole_where_asked_for():
    wide = halves().resize((32, 8))
    squeezed = Preprocess(size=8, squeeze=True)(png(wide))
    assert squeezed.shape == (3, 8, 8)
    assert np.array_equal(squeezed, np.asarray(wide.resize((8, 8), Image.Resampling.BICUBIC)).transpose(2, 0, 1))
    assert not np.array_equal(squeezed, Preprocess(size=8)(png(wide)))
    assert Preprocess.from_json(Preprocess(size=8, squeeze=True).to_json()).squeeze
    assert "squeeze" not in json.loads(Preprocess(size=8).to_json())  # as packages have it that were made before


@pytest.mark.parametrize(
    "text", ['{"version": 2, "size": 8, "background": [0, 0, 0]}', '{"size": 8, "background": [0, 0, 0]}']
)
def test_a_version_that_is_not_known_is_refused(text):
    with pytest.raises(ValueError, match="not of version 1"):
        Preprocess.from_json(text)


def test_floats_are_in_0_to_1():
    assert to_float(np.array([0, 51, 255], np.uint8)).tolist() == pytest.approx([0, 0.2, 1])
    assert to_float(np.array([3], np.uint8)).dtype == np.float32


def drawing(margin: int, side: int = 40) -> bytes:
    """A red disc with an even transparent margin."""
    picture = Image.new("RGBA", (side + 2 * margin, side + 2 * margin))
    ImageDraw.Draw(picture).ellipse((margin, margin, margin + side - 1, margin + side - 1), fill=(255, 0, 0, 255))
    return png(picture)


def test_trimming_makes_drawings_equal_whatever_their_margin():
    trimming = Preprocess(size=24, trim=True)
    narrow, wide = trimming(drawing(8)).astype(int), trimming(drawing(40)).astype(int)
    assert np.abs(narrow - wide).mean() < 1
    plain = Preprocess(size=24)
    assert np.abs(plain(drawing(8)).astype(int) - plain(drawing(40)).astype(int)).mean() > 20


def test_trimming_leaves_a_photograph_and_an_empty_picture_as_they_are():
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 200, (30, 50, 3), np.uint8))
    empty = Image.new("RGBA", (20, 20))
    for picture in (noise, empty):
        assert np.array_equal(Preprocess(size=16, trim=True)(png(picture)), Preprocess(size=16)(png(picture)))


def test_trimming_travels_in_the_file():
    assert Preprocess.from_json(Preprocess(size=24, trim=True).to_json()).trim
    assert not Preprocess.from_json('{"version": 1, "size": 24, "background": [255, 255, 255]}').trim


def photograph(width: int, height: int, kind: str = "JPEG", number: int = 0) -> bytes:
    """A photograph that comes with scikit-learn, at another size."""
    file = io.BytesIO()
    Image.fromarray(load_sample_images().images[number]).resize((width, height)).save(file, kind, quality=90)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "RGBA", "LA", "CMYK"])
def test_what_has_nothing_transparent_needs_no_background_and_shows_the_same(mode, kind):
    """The shorter way of opaque pictures against the long one over RGBA, to the bit."""
    with Image.open(io.BytesIO(photograph(90, 60))) as opened:
        picture = opened.convert(mode)
    if mode in ("RGBA", "LA"):
        picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    file = io.BytesIO()
    try:
        picture.save(file, kind)
    except (OSError, ValueError):  # not every kind of file holds every mode; here it would be converted
        picture.convert("RGB").save(file, kind)
    for trim in (False, True):
        whole = Preprocess(size=24, trim=trim, reduced=False, background=(0, 90, 200), resizer="pillow")
        by_rgba = module.trimmed(decode(file.getvalue()), whole.background) if trim else decode(file.getvalue())
        assert np.array_equal(whole(file.getvalue()), whole.fit(on_background(by_rgba, whole.background)))
        assert np.array_equal(whole.rgba(file.getvalue()), whole.fit(by_rgba))


@pytest.mark.parametrize(
    ("size", "least", "decoded"),
    [((640, 480), 224, (320, 240)), ((640, 480), 241, (640, 480)), ((1600, 1200), 224, (400, 300)), ((90, 4000), 32, (45, 2000)),
     ((2048, 2048), 40, (256, 256)), ((500, 375), 224, (500, 375)), ((640, 480), None, (640, 480))],
)  # fmt: skip
def test_a_jpeg_is_decoded_at_the_least_size_that_is_large_enough(size, least, decoded):
    assert upright(photograph(*size), least).size == decoded
    assert upright(photograph(*size, kind="PNG"), least).size == size


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("size", [(640, 480), (1024, 768), (1600, 1200)])
def test_decoded_at_a_reduced_size_it_looks_the_same(size, number):
    data = photograph(*size, number=number)
    reduced, whole = (Preprocess(size=224, reduced=way)(data).astype(int) for way in (True, False))
    assert (
        0 < np.abs(reduced - whole).mean() < 4
    )  # of 255; 3 for a street full of detail that was hardly larger than 224


def test_a_photo_is_turned_upright_at_a_reduced_size_too():
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    halves().resize((160, 80)).save(file, "JPEG", exif=exif)
    shown = upright(file.getvalue(), 16)
    assert shown.size == (20, 40)  # a quarter, on its side
    red, _, blue = np.asarray(shown).astype(int).mean(1).T
    assert (red[:18] > 200).all()
    assert (blue[22:] > 200).all()


def test_what_is_trimmed_is_decoded_whole_for_little_of_it_may_be_left():
    trimming = Preprocess(size=24, trim=True)
    assert trimming.open(photograph(640, 480)).size == (640, 480)


def test_models_from_before_decode_whole_as_they_learned_to():
    old = Preprocess.from_json('{"version": 1, "size": 224, "background": [255, 255, 255], "trim": false}')
    assert old == Preprocess(size=224, reduced=False, resizer="pillow")
    assert Preprocess.from_json(Preprocess(size=224).to_json()).reduced


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize(
    "settings",
    [{}, {"trim": True}, {"squeeze": True}, {"trim": True, "squeeze": True}],
    ids=["crop", "trim", "squeeze", "both"],
)
@pytest.mark.parametrize("size", [(96, 64), (64, 96), (80, 80)])
def test_a_box_is_seen_where_the_window_says(size, settings, kind):
    box = (24, 16, 56, 48)  # inside of the square in the middle, whichever side is longer
    picture = Image.new("RGB", size, "white")
    picture.paste(BLUE, box)
    preprocess = Preprocess(size=48, **settings)
    data = png(picture, kind)
    left, top, right, bottom = preprocess.window(data)
    blue = preprocess(data)[0] < 128
    columns, rows = np.flatnonzero(blue.any(0)), np.flatnonzero(blue.any(1))
    seen = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
    shares = np.array([box[0] / size[0], box[1] / size[1], box[2] / size[0], box[3] / size[1]])
    expected = (shares - [left, top, left, top]) / [right - left, bottom - top, right - left, bottom - top]
    np.testing.assert_allclose(seen, 48 * expected, rtol=0, atol=1)  # of 48 pixels


def test_a_photo_that_is_turned_has_the_window_of_what_is_seen():
    exif = Image.Exif()
    exif[0x0112] = 6
    window = Preprocess(size=8).window(png(halves(), exif=exif))  # 8 x 16 when it is upright
    assert window == (0.0, 0.25, 1.0, 0.75)


def test_what_is_trimmed_may_be_shown_with_what_is_beyond_its_edges():
    picture = Image.new("RGB", (40, 20), "white")
    picture.paste(BLUE, (10, 0, 30, 20))
    assert Preprocess(size=8, trim=True).window(png(picture)) == pytest.approx((9 / 40, -1 / 20, 31 / 40, 21 / 20))


def bar(width: int, height: int) -> bytes:
    """A black bar in the middle of white, with an even margin on all sides."""
    picture = Image.new("RGB", (width, height), (255, 255, 255))
    ImageDraw.Draw(picture).rectangle((width // 3, height // 8, 2 * width // 3, height - height // 8), fill=(0, 0, 0))
    return png(picture)


def test_a_long_picture_fills_no_square_of_many_times_its_pixels():
    transform = Preprocess(size=32, trim=True)
    opened = transform.open(bar(12, 24_000))
    assert opened.width == opened.height
    assert opened.width**2 <= module.MOST_FILLED
    pixels = transform(bar(12, 24_000))
    assert pixels.shape == (3, 32, 32)
    assert (pixels[:, :, :12] == 255).all(), "beyond its edges is the background"


@pytest.mark.parametrize("transparent", [False, True])
def test_laid_on_the_background_before_it_is_trimmed_a_picture_is_the_same(transparent):
    background = (0, 90, 200)
    picture = Image.new("RGB", (90, 60), background)
    picture.paste(Image.radial_gradient("L").resize((70, 30)).convert("RGB"), (12, 9))
    if transparent:
        picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    data, transform = png(picture), Preprocess(size=32, trim=True, background=background)
    after = on_background(transform.open(data), background)
    before = transform.open(data, opaque=True)
    assert after.size == before.size == (78, 78)
    assert np.array_equal(np.asarray(before), np.asarray(after))
    assert np.array_equal(transform(data), transform.fit(after))


def test_a_picture_some_three_times_as_long_as_it_is_high_is_trimmed_at_its_full_size():
    long = math.isqrt(3 * module.MAX_PIXELS)
    assert (long + long // 8) ** 2 <= module.MOST_FILLED, "though it has the most pixels that are taken"
    assert Preprocess(size=32, trim=True).open(bar(20, 8_000), opaque=True).size == (6_751, 6_751)


def test_of_a_square_that_is_too_large_a_part_is_the_same_but_for_rounding(monkeypatch):
    long = bar(60, 900)
    transform = Preprocess(size=32, trim=True)
    whole = transform(long).astype(int)
    monkeypatch.setattr(module, "MOST_FILLED", 400 * 400)
    assert transform.open(long).size[0] <= 400
    assert np.abs(transform(long).astype(int) - whole).mean() < 4


@pytest.mark.parametrize("size", [(40, 700), (900, 30), (7, 1234)])
def test_all_of_a_long_picture_is_resized_in_its_middle_alone_where_it_would_be_too_large(monkeypatch, size):
    values = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    transform = Preprocess(size=32, whole=True, resizer="pillow", reduced=False)
    whole = transform(png(Image.fromarray(values))).astype(int)
    monkeypatch.setattr(module, "MOST_RESIZED", 0)
    alone = transform(png(Image.fromarray(values))).astype(int)
    assert np.abs(alone - whole).mean() < 1, "noise is what rounding between the two sides shows most in"


def test_all_of_a_picture_of_one_column_is_resized_without_its_billions_of_pixels():
    transform = Preprocess(size=224, whole=True, resizer="pillow", reduced=False)
    assert math.prod(transform.within(1, 60_000)[:2]) > 3e9
    assert transform(png(Image.new("RGB", (1, 60_000), RED)))[:, 5, 5].tolist() == [255, 0, 0]
