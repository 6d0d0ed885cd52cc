"""Does a picture's file say where it was taken? A phone writes that, and it goes wherever the file goes."""

import io

from PIL import ExifTags, Image

_MARKS = (b"Exif", b"eXIf", b"EXIF", b"Raw profile type", b"II*\0", b"MM\0*")  # without one there is no EXIF
_IN_XMP = b"GPSLatitude"


def says_where(data: bytes) -> bool:
    """Return whether the encoded picture holds a latitude, in EXIF or in XMP. What cannot be read says nothing."""
    if _IN_XMP in data:
        return True
    if not any(mark in data for mark in _MARKS):
        return False
    try:
        with Image.open(io.BytesIO(data)) as picture:
            return ExifTags.GPS.GPSLatitude in picture.getexif().get_ifd(ExifTags.IFD.GPSInfo)
    except Exception:  # Pillow raises nearly anything on hostile metadata, and decode() has judged the picture itself
        return False
