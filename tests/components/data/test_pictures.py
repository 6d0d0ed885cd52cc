import io
import struct
import zlib

import pytest
from PIL import Image

from components.data.pictures import look
from components.data.transforms.preprocess import BadImage


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
