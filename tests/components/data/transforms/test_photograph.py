"""JPEGs by the quicker libraries: Pillow's pixels from the decoder, as exact a resize, and Pillow's word on whatever is odd."""

import io
from functools import partial

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from components.data.transforms import preprocess as module
from components.data.transforms.preprocess import BadImage, Preprocess
from tests.exact_resize import resized
from tests.squares import png

pytestmark = pytest.mark.skipif(module.simd is None, reason="cykooz-resizer has no wheel for Linux on ARM")
SIZE = 40


def photograph(width: int = 96, height: int = 72, mode: str = "RGB", **save: object) -> bytes:
    file = io.BytesIO()
    picture = Image.fromarray(load_sample_images().images[0]).resize((width, height)).convert(mode)
    picture.save(file, "JPEG", **{"quality": 90, **save})
    return file.getvalue()


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


KINDS = {
    "4:2:0": partial(photograph, subsampling="4:2:0"),
    "4:2:2": partial(photograph, subsampling="4:2:2"),
    "4:4:4": partial(photograph, subsampling="4:4:4"),
    "progressive": partial(photograph, progressive=True),
    "restarts": partial(photograph, restart_marker_rows=1),
    "odd sides": partial(photograph, 97, 71),
    "reduced": partial(photograph, 163, 121),
    "an eighth": partial(photograph, 330, 333),
    "as large": partial(photograph, SIZE, SIZE),
    "smaller": partial(photograph, 9, 11),
    "one pixel": partial(photograph, 1, 1),
    "a strip": partial(photograph, 400, 3),
    "more behind it": lambda: photograph() + b"more",
}


@pytest.mark.parametrize("squeeze", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_its_pixels_do_not_depend_on_which_decoder_there_is(kind, squeeze, monkeypatch):
    preprocess, data = Preprocess(size=SIZE, squeeze=squeeze), KINDS[kind]()
    with_both = preprocess(data), preprocess.rgba(data)
    monkeypatch.setattr(module, "simplejpeg", None)  # as where it is not installed
    assert np.array_equal(with_both[0], preprocess(data))
    assert np.array_equal(with_both[1], preprocess.rgba(data))


@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_one_goes_the_quick_way(kind):
    assert Preprocess(size=SIZE).photograph(KINDS[kind]()) is not None


@pytest.mark.parametrize(
    ("data", "settings"),
    [(photograph(mode="L"), {}), (photograph(mode="CMYK"), {}), (photograph(exif=turned()), {}), (photograph()[:-2], {}),
     (png(Image.new("RGB", (60, 60))), {}), (b"", {}), (photograph(), {"trim": True}), (photograph(), {"resizer": "pillow"})],
    ids=["grey", "cmyk", "turned", "without an end", "png", "nothing", "trimmed", "by pillow"],
)  # fmt: skip
def test_whatever_is_not_plain_is_left_to_pillow(data, settings):
    assert Preprocess(size=SIZE, **settings).photograph(data) is None


def test_damage_is_told_of_the_same_pictures_by_either_decoder(monkeypatch):
    draws, whole = np.random.default_rng(0), photograph()
    damaged = [whole[:cut] for cut in draws.integers(0, len(whole), 40)]
    for place in draws.integers(2, len(whole), 160).tolist():
        damaged.append(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])

    def seen(data: bytes) -> bytes | str:
        try:
            return Preprocess(size=SIZE)(data).tobytes()
        except BadImage as err:
            return str(err)

    by_both = [seen(data) for data in damaged]
    monkeypatch.setattr(module, "simplejpeg", None)
    assert by_both == [seen(data) for data in damaged]
    assert 40 <= sum(isinstance(one, str) for one in by_both) < len(damaged)


@pytest.mark.parametrize("size", [(75, 56), (56, 75), (30, 24)])
def test_it_is_as_near_to_exact_arithmetic_as_pillow(size):
    data = photograph(*size)
    with Image.open(io.BytesIO(data)) as opened:
        exact = resized(np.asarray(opened, np.float64), SIZE)
    rms = {
        resizer: float(np.sqrt(((Preprocess(size=SIZE, reduced=False, resizer=resizer)(data) - exact) ** 2).mean()))
        for resizer in module.RESIZERS
    }
    assert rms["simd"] < 1.1 * rms["pillow"] < 1.5  # of 255; both round and clip twice


def test_a_turned_one_is_resized_the_same_way_as_its_upright_twin():
    data = photograph(72, 96)
    shown = Preprocess(size=SIZE)(data).astype(int)
    with Image.open(io.BytesIO(data)) as opened:
        lying = opened.rotate(90, expand=True)
    file = io.BytesIO()
    lying.save(file, "JPEG", quality=98, subsampling="4:4:4", exif=turned())
    assert np.abs(Preprocess(size=SIZE)(file.getvalue()) - shown).mean() < 2  # of 255, for it was encoded again


def test_the_resizer_travels_in_the_file_and_models_of_before_have_pillow():
    assert Preprocess.from_json(Preprocess(size=SIZE).to_json()).resizer == "simd"
    old = '{"version": 1, "size": 40, "background": [255, 255, 255], "trim": false, "reduced": true}'
    assert Preprocess.from_json(old) == Preprocess(size=SIZE, resizer="pillow")
    assert "resizer" not in Preprocess(size=SIZE, resizer="pillow").to_json()


def test_a_resizer_that_is_not_here_or_not_known_is_told_and_none_takes_its_place(monkeypatch):
    said = Preprocess(size=SIZE).to_json()
    with pytest.raises(ValueError, match=r"resizer is 'box'.*pillow or simd"):
        Preprocess.from_json(said.replace('"simd"', '"box"'))
    monkeypatch.setattr(module, "simd", None)
    with pytest.raises(ImportError, match=r"cykooz-resizer, which is not installed here.*pip install"):
        Preprocess.from_json(said)
