"""What is written down of a picture, once decoded; what it means is for the suite to say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa
from PIL import Image

from components.data.container import container_of
from components.data.faces import FaceFinder
from components.data.fault import fault_of
from components.data.perceptual import corner_hashes, perceptual_hash
from components.data.pictures import look_at, on_white
from components.data.transforms.preprocess import BadImage

MEASURED = pa.schema(
    [
        pa.field("found", pa.bool_()),
        pa.field("intact", pa.bool_()),
        pa.field("decodable", pa.bool_()),
        pa.field("flaw", pa.string()),
        pa.field("fault", pa.string()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("contrast", pa.float64()),
        pa.field("pixel_sha256", pa.string()),
        pa.field("perceptual", pa.uint64()),
        pa.field("colour", pa.list_(pa.float32(), 3)),
        pa.field("corners", pa.list_(pa.uint64(), 4)),
        pa.field("says_where", pa.bool_()),
        pa.field("animated", pa.bool_()),
        pa.field("cmyk_converted", pa.bool_()),
        pa.field("exif_rotated", pa.bool_()),
        pa.field("face", pa.bool_()),
        pa.field("score", pa.float32()),
    ]
)
"""One row a picture; the names are those of Measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was found of one row's picture; None where an earlier step failed.

    Args:
        found: whether the shard has the bytes at all.
        intact: whether their sha256 is the manifest's.
        decodable: whether they are a picture.
        flaw: where they are none, the code of REASONS that says why.
        fault: the sentence of the step that failed, empty if none did.
        width: pixels.
        height: pixels.
        contrast: RMS from the picture's own mean colour.
        pixel_sha256: fingerprint of the pixels on white.
        perceptual: 64 bits that pictures which look the same have in common, or nearly.
        colour: mean of R, G and B on white, 0 to 1.
        corners: the same of each corner, None for one with little to see.
        says_where: whether the file holds the place where it was taken.
        animated: whether it holds more frames than the one that was measured.
        cmyk_converted: whether its pixels are CMYK.
        exif_rotated: whether its EXIF turned it before it was measured.
        face: whether a face is seen; None where nobody looked.
        score: cosine of the picture and the best of its texts by a model, see fit.py; None where nobody scored.
    """

    found: bool
    intact: bool | None = None
    decodable: bool | None = None
    flaw: str | None = None
    fault: str = ""
    width: int | None = None
    height: int | None = None
    contrast: float | None = None
    pixel_sha256: str | None = None
    perceptual: int | None = None
    colour: tuple[float, ...] | None = None
    corners: tuple[int | None, ...] | None = None
    says_where: bool | None = None
    animated: bool | None = None
    cmyk_converted: bool | None = None
    exif_rotated: bool | None = None
    face: bool | None = None
    score: float | None = None


def columns(measured: Sequence[Measured]) -> pa.RecordBatch:
    """Return MEASURED of some pictures."""
    arrays = [pa.array([getattr(one, field.name) for one in measured], field.type) for field in MEASURED]
    return pa.RecordBatch.from_arrays(arrays, schema=MEASURED)


def measure_picture(
    data: bytes, finder: FaceFinder | None = None, keep: Callable[[Image.Image], None] | None = None
) -> Measured:
    """Return what encoded bytes show, decoding them once; `keep` is handed the decoded picture, on white."""
    try:
        picture = on_white(data)
    except BadImage as err:
        return Measured(found=True, intact=True, decodable=False, flaw=fault_of(data), fault=str(err))
    if keep is not None:
        keep(picture)
    seen, held = look_at(picture), container_of(data)
    return Measured(
        found=True,
        intact=True,
        decodable=True,
        width=seen.width,
        height=seen.height,
        contrast=seen.contrast,
        pixel_sha256=seen.pixel_sha256,
        perceptual=perceptual_hash(picture),
        colour=seen.colour,
        corners=corner_hashes(picture),
        says_where=held.says_where,
        animated=held.animated,
        cmyk_converted=held.cmyk_converted,
        exif_rotated=held.exif_rotated,
        face=None if finder is None else finder(picture),
    )
