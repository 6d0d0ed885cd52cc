"""What a picture's file holds besides its pixels: where it was taken, several frames, colours of print, a turn.

All of it is read in one look at the file's head; nothing is decoded.
"""

import io
from dataclasses import dataclass, replace

from PIL import ExifTags, Image

_EXIF_IN_PNG = (
    b"eXIf",
    b"Raw profile type",
    b"Exif",
    b"XML:com.adobe.xmp",
)  # without one there is none, and asking would decode it all
_IN_XMP = b"GPSLatitude"
_TURNED = range(2, 9)
_IN_SERIES = ("GIF", "PNG", "WEBP", "TIFF")  # of MPO, a phone's JPEG, the second picture is a preview or a depth


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """What was found; the names of three are those of the reasons.

    Args:
        says_where: a latitude, in EXIF or XMP. A phone writes that, and it goes wherever the file goes.
        animated: more frames or pages than one.
        cmyk_converted: pixels in four colours of print.
        exif_rotated: EXIF says that it is to be turned or mirrored.
    """

    says_where: bool = False
    animated: bool = False
    cmyk_converted: bool = False
    exif_rotated: bool = False


def container_of(data: bytes) -> Container:
    """Return what a file holds. What cannot be read says nothing, and nothing is raised."""
    located = _IN_XMP in data
    try:
        with Image.open(io.BytesIO(data)) as picture:
            animated = picture.format in _IN_SERIES and bool(getattr(picture, "is_animated", False))
            found = Container(says_where=located, animated=animated, cmyk_converted=picture.mode == "CMYK")
            return _with_exif(found, picture, data)
    except Exception:  # Pillow raises nearly anything on hostile bytes, and decode() has judged the picture itself
        return Container(says_where=located)


def _with_exif(found: Container, picture: Image.Image, data: bytes) -> Container:
    if picture.format == "PNG" and not any(mark in data for mark in _EXIF_IN_PNG):
        return found
    try:
        exif = picture.getexif()
        placed = ExifTags.GPS.GPSLatitude in exif.get_ifd(ExifTags.IFD.GPSInfo)
        turned = exif.get(ExifTags.Base.Orientation) in _TURNED
    except Exception:  # damaged metadata are as none
        return found
    return replace(found, says_where=found.says_where or placed, exif_rotated=turned)
