"""A place, frames, colours of print and a turn are found in every container that can hold them, and only there."""

import io

import pytest
from PIL import ExifTags, Image, PngImagePlugin

from components.data.container import Container, container_of


def picture(kind: str, exif: Image.Exif | None = None, **options: object) -> bytes:
    held = io.BytesIO()
    Image.new("RGB", (24, 24), "red").save(held, kind, **({} if exif is None else {"exif": exif.tobytes()}), **options)
    return held.getvalue()


def says_where(data: bytes) -> bool:
    return container_of(data).says_where


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


def noise(seed: int, size: tuple[int, int] = (24, 24)) -> Image.Image:
    return Image.effect_noise(size, 90).point(lambda value: (value + seed) % 256).convert("RGB")


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_several_frames_are_found_and_one_is_not(kind):
    held = io.BytesIO()
    noise(0).save(held, kind, save_all=True, append_images=[noise(90), noise(180)])
    assert container_of(held.getvalue()) == Container(animated=True)
    assert container_of(picture(kind)) == Container()


def test_the_second_picture_of_a_phones_jpeg_is_no_animation():
    held = io.BytesIO()
    noise(0).save(held, "MPO", save_all=True, append_images=[noise(90)])
    assert Image.open(io.BytesIO(held.getvalue())).n_frames == 2
    assert container_of(held.getvalue()) == Container()


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_colours_of_print_are_found(kind):
    held = io.BytesIO()
    Image.new("CMYK", (24, 24), (0, 200, 200, 0)).save(held, kind)
    assert container_of(held.getvalue()) == Container(cmyk_converted=True)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(("orientation", "turned"), [(1, False), (2, True), (6, True), (8, True), (9, False)])
def test_a_turn_is_found_where_exif_says_so(kind, orientation, turned):
    tags = exif()
    tags[ExifTags.Base.Orientation] = orientation
    assert container_of(picture(kind, tags)).exif_rotated is turned


def test_metadata_that_cannot_be_read_hide_no_frames():
    held = io.BytesIO()
    noise(0).save(held, "WEBP", save_all=True, append_images=[noise(90)], exif=b"Exif\0\0II*\0" + b"\xff" * 40)
    assert container_of(held.getvalue()) == Container(animated=True)
