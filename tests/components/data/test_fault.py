"""Bytes that are no picture get the reason that tells their owner what to mend, in every encoding that comes in."""

import io
import struct
import zlib

import pytest
from PIL import Image

from components.data.fault import fault_of
from components.data.pictures import look
from components.data.transforms.preprocess import MAX_PIXELS, BadImage

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")


def encoded(kind: str, size: tuple[int, int] = (64, 64)) -> bytes:
    held = io.BytesIO()
    Image.radial_gradient("L").resize(size).convert("RGB").save(held, kind)
    return held.getvalue()


def refused(data: bytes) -> str:
    with pytest.raises(BadImage):
        look(data)
    return fault_of(data)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("share", [0.5, 0.7, 0.9])
def test_a_picture_cut_short_is_truncated(kind, share):
    data = encoded(kind)
    assert refused(data[: int(len(data) * share)]) == "truncated"


@pytest.mark.parametrize(
    "data", [b"<html>404</html>", b"\x80\x04K\x01.", b"no picture", b"\0" * 600, b"RIFF\0\0\0\0WAVE"]
)
def test_what_was_never_a_picture_is_no_image(data):
    assert refused(data) == "not_an_image"


def test_no_bytes_are_zero_bytes():
    assert refused(b"") == "zero_bytes"


@pytest.mark.parametrize("side", [5001, 60_000])  # above our bound, and above Pillow's own, which raises
def test_too_many_pixels_are_a_bomb_before_they_unfold(side):
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    assert side * side > MAX_PIXELS
    assert refused(bomb) == "bomb"


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_a_picture_whole_in_length_with_wrong_bytes_is_undecodable(kind):
    data = bytearray(encoded(kind))
    middle = len(data) // 2
    data[middle : middle + 40] = bytes(40)
    if kind == "WEBP":
        data[16:60] = bytes(44)
    assert refused(bytes(data)) == "undecodable"
