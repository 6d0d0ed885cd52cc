import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from components.data.pictures import look, on_white
from components.data.transforms.preprocess import BadImage, decode, on_background


def encoded(picture: Image.Image, kind: str = "PNG", **options) -> bytes:
    held = io.BytesIO()
    picture.save(held, kind, **options)
    return held.getvalue()


def test_the_fingerprint_is_of_what_is_seen_not_of_the_bytes():
    picture = Image.radial_gradient("L").resize((20, 30)).convert("RGB")
    png, packed = encoded(picture), encoded(picture, compress_level=0)
    assert png != packed
    assert look(png) == look(packed) == look(encoded(picture, "WEBP", lossless=True))
    assert (look(png).width, look(png).height) == (20, 30)


def test_transparent_is_white_whatever_colour_hides_below():
    clear_red = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    white = Image.new("RGB", (8, 8), "white")
    assert look(encoded(clear_red)) == look(encoded(white))
    assert look(encoded(white)).contrast == 0


def test_the_same_pixels_in_another_shape_are_another_picture():
    wide, tall = Image.new("RGB", (8, 2), "red"), Image.new("RGB", (2, 8), "red")
    assert look(encoded(wide)).pixel_sha256 != look(encoded(tall)).pixel_sha256


def test_contrast_by_hand():
    halves = Image.new("RGB", (2, 1), "black")
    halves.putpixel((1, 0), (255, 255, 255))
    assert look(encoded(halves)).contrast == pytest.approx(0.5)


def test_what_is_no_picture_is_said_to_be_none():
    good = encoded(Image.radial_gradient("L"))
    for bad in (b"", b"<html>404</html>", good[: len(good) // 2]):
        with pytest.raises(BadImage):
            look(bad)


def test_a_decompression_bomb_is_refused_before_it_unfolds():
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 7_000, 7_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    with pytest.raises(BadImage, match="7000 x 7000"):
        look(bomb)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("RGB", "JPEG"), ("L", "JPEG"), ("CMYK", "JPEG"), ("RGB", "PNG"), ("L", "PNG"), ("1", "PNG"), ("P", "PNG"), ("P", "GIF"),
        ("LA", "PNG"), ("RGBA", "PNG"), ("I;16", "PNG"), ("CMYK", "TIFF"), ("YCbCr", "TIFF"), ("RGBA", "WEBP"),
    ],
)  # fmt: skip
def test_a_picture_that_hides_nothing_comes_out_as_the_long_way_over_transparency_gives_it(mode, kind):
    noise = [Image.effect_noise((20, 30), 80) for _ in range(4)]
    if mode == "I;16":
        picture = Image.fromarray(np.arange(600, dtype=np.uint16).reshape(30, 20) * 100)
    else:
        wide = Image.merge("RGBA", noise)
        picture = wide if mode == "RGBA" else wide.convert("RGB").convert(mode)
    data = encoded(picture, kind)
    assert on_white(data).tobytes() == on_background(decode(data), (255, 255, 255)).tobytes()


@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
def test_a_colour_that_stands_for_nothing_is_white(mode):
    picture = Image.new("RGB", (4, 4), (0, 0, 0)).convert(mode)
    data = encoded(picture, transparency=(0, 0, 0) if mode == "RGB" else 0)
    assert on_white(data).getextrema() == ((255, 255),) * 3
