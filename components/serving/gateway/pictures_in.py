"""Pictures as clients send them, looked at before anything decodes them.

Only the header is read here: what it promises is what a decoder would have to make room for.
"""

import base64
import binascii
import io
import re
import warnings

from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from components.data.transforms.preprocess import JPEG, MAX_PIXELS
from components.serving.gateway.refusal import Refusal, bad

_OPENED = (  # Pillow knows a format once its plugin is imported; a phone's MPO is opened as the JPEG that it begins with
    PngImagePlugin.PngImageFile, JpegImagePlugin.JpegImageFile, WebPImagePlugin.WebPImageFile, GifImagePlugin.GifImageFile,
    BmpImagePlugin.BmpImageFile, TiffImagePlugin.TiffImageFile,
)  # fmt: skip
FORMATS = tuple(one.format for one in _OPENED)
TILE_WIDTH, TILE_LENGTH = 322, 323  # tags of TIFF
MOST_SCANS = 100
"""Of a JPEG, each of which may need some ten bytes; a progressive one that was made to be seen has ten or so."""
MOST_MARKERS = 10_000  # that are looked at
_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")  # what lies between scans and in them besides is no marker
_DATA = re.compile(r"data:(?:[\w.+-]+/[\w.+*-]+)?(?:;[\w=.-]+)*;base64,", re.ASCII)
EXAMPLE = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABAQMAAAAl21bKAAAAA1BMVEXmFBQ+YZLgAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
"""One red pixel, for the examples of the API's description."""
_MARKUP = (b"<svg", b"<?xml", b"<!doctype", b"<html")


def is_data_uri(text: str) -> bool:
    """Return whether a text is a picture in the form of `data:image/...;base64,...`."""
    return text.startswith("data:image/")


def picture_of(text: str, where: str = "image") -> bytes:
    """Return the checked bytes of a picture that was sent as a data URI or as plain base64.

    Args:
        text: what was sent.
        where: how the answer calls it.

    Raises Refusal: addresses are refused, since a server that fetches for strangers reaches what they cannot.
    """
    if re.match(r"\w+://", text):
        raise bad(
            "remote_image",
            f"{where} is an address, and none is fetched here. Send the picture itself: data:image/png;base64,…",
        )
    matched = _DATA.match(text)
    if text.startswith("data:") and matched is None:
        raise bad("bad_data_uri", f"{where} is no data URI in base64, such as data:image/png;base64,…")
    try:
        data = base64.b64decode(text[matched.end() :] if matched else text, validate=True)
    except (binascii.Error, ValueError) as err:
        raise bad("bad_base64", f"{where} is not base64 ({err}).") from err
    return checked(data, where)


def pixels_of(data: bytes) -> int:
    """Return how many pixels a checked picture has."""
    width, height = sides_of(data)
    return width * height


def sides_of(data: bytes) -> tuple[int, int]:
    """Return width and height of a checked picture, in pixels."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
        return opened.size


def checked(data: bytes, where: str = "image") -> bytes:
    """Return the bytes, of which the header says a picture that is not too large. Raises Refusal."""
    if not data:
        raise bad("empty_image", f"{where} has 0 bytes.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a bomb, which is refused below
            with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
                width, height = opened.size
                tile = tile_of(opened)
    except Image.DecompressionBombError as err:
        raise _too_large(where) from err
    except Exception as err:  # Pillow's readers raise nearly anything on hostile bytes
        said = (
            "is HTML or SVG, which is no picture of pixels"
            if data.lstrip()[:64].lower().startswith(_MARKUP)
            else "is none of these"
        )
        raise Refusal(415, "unsupported_image", f"{where} {said}; send PNG, JPEG, WebP, GIF, BMP or TIFF.") from err
    if width * height > MAX_PIXELS:
        raise _too_large(where, f" of {width:,} x {height:,}")
    if data.startswith(JPEG) and scans_of(data) > MOST_SCANS:
        raise Refusal(
            415,
            "unsupported_image",
            f"{where} is a JPEG of more than {MOST_SCANS} scans. Save it anew with fewer: a decoder passes the whole picture in each.",
        )
    if tile[0] * tile[1] > MAX_PIXELS:  # a decoder makes room for one, whatever of it is shown
        raise _too_large(where, f" in a tile of {tile[0]:,} x {tile[1]:,}")
    return data


def tile_of(opened: Image.Image) -> tuple[int, int]:
    """Return the sides of the tiles that a TIFF lies in; 0 and 0 for what lies in none. ValueError where they are no numbers."""
    tags = getattr(opened, "tag_v2", {})
    width, length = (tags.get(tag, 0) for tag in (TILE_WIDTH, TILE_LENGTH))
    if not isinstance(width, int) or not isinstance(length, int):  # bytes times a number would be as many bytes
        raise ValueError("the sides of its tiles are no numbers")
    return width, length


def scans_of(data: bytes) -> int:
    """Return how many scans a JPEG has before its end, or one more than are taken; what lies behind that, such as a phone's film, is none of it."""
    at, scans = len(JPEG) - 1, 0
    for _ in range(MOST_MARKERS):
        found = _MARKER.search(data, at)
        if found is None or found[1] == b"\xd9" or scans > MOST_SCANS:
            return scans
        scans += found[1] == b"\xda"
        at = found.end() + int.from_bytes(data[found.end() : found.end() + 2])  # the length of what the marker begins
    return MOST_SCANS + 1


def _too_large(where: str, size: str = "") -> Refusal:
    return Refusal(
        413, "image_too_large", f"{where} has pixels{size}; at most {MAX_PIXELS:,} are taken. Send a smaller copy."
    )
