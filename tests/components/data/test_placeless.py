"""The place goes from every kind of file that can hold one, and no pixel changes where the kind stays."""

import io

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from components.data.container import container_of
from components.data.pictures import look
from components.data.placeless import placeless
from tests.defects import drawn

XMP = b'<x:xmpmeta><rdf:Description exif:GPSLatitude="52,31.2N" tiff:Orientation="6"/></x:xmpmeta>'
MAKER = "a maker of cameras"


def tags(turn: int = 1) -> Image.Exif:
    made = Image.Exif()
    made[ExifTags.Base.Orientation] = turn
    made[ExifTags.Base.Make] = MAKER
    made.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (52.0, 31.0, 12.0)
    return made


def saved(kind: str, picture: Image.Image | None = None, **options: object) -> bytes:
    held = io.BytesIO()
    (picture or drawn(3)).save(held, kind, **options)
    return held.getvalue()


def with_xmp(kind: str) -> bytes:
    if kind != "PNG":
        return saved(kind, xmp=XMP)
    told = PngImagePlugin.PngInfo()
    told.add_itxt("XML:com.adobe.xmp", XMP.decode())
    return saved(kind, pnginfo=told)


def alpha() -> Image.Image:
    picture = drawn(4).convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    return picture


# What is stored, and as what it comes out.
FILES = {
    "jpeg": (saved("JPEG", exif=tags()), ".jpg"),
    "turned jpeg": (saved("JPEG", exif=tags(6)), ".jpg"),
    "progressive jpeg": (saved("JPEG", exif=tags(3), progressive=True), ".jpg"),
    "jpeg with restarts": (saved("JPEG", exif=tags(), restart_marker_blocks=3, comment=b"at home"), ".jpg"),
    "grey jpeg": (saved("JPEG", drawn(5).convert("L"), exif=tags(8)), ".jpg"),
    "cmyk jpeg": (saved("JPEG", drawn(5).convert("CMYK"), exif=tags()), ".jpg"),
    "jpeg of a phone": (saved("MPO", exif=tags(), save_all=True, append_images=[drawn(9)]), ".jpg"),
    "jpeg with xmp": (with_xmp("JPEG"), ".jpg"),
    "png": (saved("PNG", exif=tags(6)), ".png"),
    "png with xmp": (with_xmp("PNG"), ".png"),
    "transparent png": (saved("PNG", alpha(), exif=tags()), ".png"),
    "png with a palette": (saved("PNG", drawn(6).quantize(16), exif=tags(2)), ".png"),
    "webp": (saved("WEBP", exif=tags(6)), ".webp"),
    "lossless webp": (saved("WEBP", alpha(), exif=tags(), lossless=True), ".webp"),
    "webp with xmp": (with_xmp("WEBP"), ".webp"),
    "tiff": (saved("TIFF", exif=tags(6).tobytes()), ".png"),
}


@pytest.mark.parametrize("name", FILES)
def test_the_place_is_gone_and_every_pixel_stays(name):
    data, suffix = FILES[name]
    assert container_of(data).says_where
    found, its = placeless(data)
    assert its == suffix
    assert not container_of(found).says_where
    assert look(found).pixel_sha256 == look(data).pixel_sha256
    assert container_of(found).exif_rotated == (container_of(data).exif_rotated and name != "tiff")
    for said in (MAKER.encode(), b"GPSLatitude", b"at home"):
        assert said not in found
    assert placeless(found) is None


def test_the_second_picture_of_a_phone_goes_too_since_it_says_the_same():
    data, _ = FILES["jpeg of a phone"]
    found, _ = placeless(data)
    with Image.open(io.BytesIO(found)) as picture:
        assert picture.format == "JPEG"
    assert found.count(b"\xff\xd8\xff") == 1 < data.count(b"\xff\xd8\xff")


def test_a_colour_profile_stays():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for kind in ("JPEG", "PNG", "WEBP"):
        found, _ = placeless(saved(kind, exif=tags(), icc_profile=profile))
        with Image.open(io.BytesIO(found)) as picture:
            assert picture.info["icc_profile"] == profile


def test_what_names_no_place_is_not_touched():
    plain = Image.Exif()
    plain[ExifTags.Base.Make] = MAKER
    for data in (saved("JPEG", exif=plain), saved("PNG"), b"", b"<html>", b"GPSLatitude"):
        assert placeless(data) is None


@pytest.mark.filterwarnings("ignore:.*:UserWarning")  # Pillow's, of what was spoiled
def test_a_damaged_file_raises_nothing_and_never_keeps_its_place():
    """Either it is no picture, which validation sets aside, or what comes back is one without a place."""
    draws = np.random.default_rng(3)
    for name in ("jpeg", "progressive jpeg", "png", "webp"):
        data, _ = FILES[name]
        for _ in range(40):
            spoiled = bytearray(data)
            for at in draws.integers(0, len(data), 3):
                spoiled[at] = draws.integers(256)
            found = placeless(bytes(spoiled[: draws.integers(len(data) // 2, len(data) + 1)]))
            assert found is None or not container_of(found[0]).says_where
