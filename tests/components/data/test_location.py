"""A place is found in every container that can hold one, and nothing else is taken for one."""

import io

import pytest
from PIL import ExifTags, Image, PngImagePlugin

from components.data.location import says_where


def picture(kind: str, exif: Image.Exif | None = None, **options: object) -> bytes:
    held = io.BytesIO()
    Image.new("RGB", (24, 24), "red").save(held, kind, **({} if exif is None else {"exif": exif.tobytes()}), **options)
    return held.getvalue()


def exif(gps: dict | None = None) -> Image.Exif:
    tags = Image.Exif()
    tags[ExifTags.Base.Orientation] = 1
    tags[ExifTags.Base.Make] = "a maker"
    if gps is not None:
        tags.get_ifd(ExifTags.IFD.GPSInfo).update(gps)
    return tags


HERE = {ExifTags.GPS.GPSLatitudeRef: "N", ExifTags.GPS.GPSLatitude: (52.0, 31.0, 12.0)}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_latitude_in_exif_is_found(kind):
    assert says_where(picture(kind, exif(HERE)))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_other_exif_and_none_say_nothing(kind):
    assert not says_where(picture(kind, exif()))
    assert not says_where(picture(kind, exif({ExifTags.GPS.GPSVersionID: b"\x02\x03\x00\x00"})))
    assert not says_where(picture(kind))


def test_a_latitude_in_xmp_is_found():
    told = PngImagePlugin.PngInfo()
    told.add_itxt("XML:com.adobe.xmp", '<rdf:Description exif:GPSLatitude="52,31.2N"/>')
    assert says_where(picture("PNG", pnginfo=told))


@pytest.mark.parametrize("end", [0, 30, 60, 120, 200])
def test_damaged_files_say_nothing_and_raise_nothing(end):
    whole = picture("JPEG", exif(HERE))
    assert says_where(whole[:end]) in (False, True)
    assert not says_where(b"Exif" + bytes(range(256)) * 3)
