"""A picture's file without the place where it was taken, and without all else that it says besides the picture.

JPEG, PNG and WebP keep their pixels to the last bit, since only what stands around them goes: EXIF, XMP, IPTC, comments, the previews behind
a phone's JPEG. How the picture is to be turned, and its colour profile, stay. Other kinds come out as PNG of what is seen.
Source: ITU-T T.81, annex B (segments of JPEG); PNG, third edition, 5.3 (chunks); RFC 9649 (chunks of WebP).
"""

import io
import re
import struct
import zlib

from PIL import ExifTags, Image

from components.data.container import container_of
from components.data.transforms.preprocess import BadImage, decode

_EXIF = b"Exif\0\0"
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # in coded data: all but stuffed bytes and restarts
_KEPT_APPS = (b"JFIF\0", b"ICC_PROFILE\0", b"Adobe")
_PNG = b"\x89PNG\r\n\x1a\n"
_SAID_IN_PNG = frozenset({b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"tIME"})
_SAID_IN_WEBP = frozenset({b"EXIF", b"XMP "})
_WEBP_EXIF, _WEBP_XMP = 0x08, 0x04  # flags of VP8X


def placeless(data: bytes) -> tuple[bytes, str] | None:
    """Return a picture without what its file says of it, and its suffix; None where that names no place, or is no picture."""
    if not container_of(data).says_where:
        return None
    try:
        with Image.open(io.BytesIO(data)) as picture:
            kind, turn = picture.format, picture.getexif().get(ExifTags.Base.Orientation, 1)
        found = _stripped(data, str(kind), _turning(turn))
    except Exception:  # Pillow raises nearly anything on hostile bytes; a file that ends in a chunk is decoded instead
        found = None
    if found is not None and not container_of(found[0]).says_where:
        return found
    try:
        return _as_png(data), ".png"
    except BadImage:
        return None


def _stripped(data: bytes, kind: str, exif: bytes) -> tuple[bytes, str] | None:
    if kind in ("JPEG", "MPO"):
        return _jpeg(data, exif), ".jpg"
    if kind == "PNG":
        return _png(data, exif), ".png"
    return (_webp(data, exif), ".webp") if kind == "WEBP" else None


def _turning(orientation: int) -> bytes:
    """Return EXIF, as TIFF, that says only how a picture is turned; nothing where it is not."""
    if orientation not in range(2, 9):
        return b""
    tags = Image.Exif()
    tags[ExifTags.Base.Orientation] = orientation
    return tags.tobytes().removeprefix(_EXIF)


def _jpeg(data: bytes, exif: bytes) -> bytes:
    """Return the segments up to the end of the first picture, without comments and without what applications say."""
    kept = [data[:2]]
    if exif:
        kept.append(b"\xff\xe1" + struct.pack(">H", len(exif) + len(_EXIF) + 2) + _EXIF + exif)
    at = 2
    while data[at : at + 2] != b"\xff\xd9":
        if data[at] != 0xFF:
            raise ValueError("no marker where one must be")
        if data[at + 1] == 0xFF:  # padding
            at += 1
            continue
        marker, (size,) = data[at + 1], struct.unpack_from(">H", data, at + 2)
        end = at + 2 + size
        if marker == 0xDA:
            found = _MARKER.search(data, end)
            if found is None:
                raise ValueError("the coded data do not end")
            end = found.start()
        says = (0xE0 <= marker <= 0xEF and not data.startswith(_KEPT_APPS, at + 4)) or marker == 0xFE
        if not says:
            kept.append(data[at:end])
        at = end
    return b"".join([*kept, b"\xff\xd9"])


def _png(data: bytes, exif: bytes) -> bytes:
    kept, at = [_PNG], len(_PNG)
    while True:
        size, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + size
        if name not in _SAID_IN_PNG:
            kept.append(data[at:end])
        if name == b"IHDR" and exif:
            said = b"eXIf" + exif
            kept.append(struct.pack(">I", len(exif)) + said + struct.pack(">I", zlib.crc32(said)))
        if name == b"IEND":
            return b"".join(kept)
        at = end


def _webp(data: bytes, exif: bytes) -> bytes:
    kept, at = [], 12
    end = 8 + struct.unpack_from("<I", data, 4)[0]
    while at + 8 <= end:
        name, size = struct.unpack_from("<4sI", data, at)
        chunk = data[at : at + 8 + size + size % 2]
        if name == b"VP8X":
            flags = chunk[8] & ~(_WEBP_EXIF | _WEBP_XMP) | (_WEBP_EXIF if exif else 0)
            chunk = chunk[:8] + bytes([flags]) + chunk[9:]
        if name not in _SAID_IN_WEBP:
            kept.append(chunk)
        at += 8 + size + size % 2
    if exif:
        kept.append(struct.pack("<4sI", b"EXIF", len(exif)) + exif + b"\0" * (len(exif) % 2))
    body = b"WEBP" + b"".join(kept)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _as_png(data: bytes) -> bytes:
    picture, held = decode(data), io.BytesIO()
    opaque = picture.getchannel("A").getextrema() == (255, 255)
    (picture.convert("RGB") if opaque else picture).save(held, "PNG")
    return held.getvalue()
