"""Faces made unrecognisable in the picture itself, so that no file, index, report or model after it has them.

Inside a face, and a margin around it, what is left is the mean of sixteen fields, smoothed: too little to tell who it is.
Nothing else changes: a PNG, and what is stored as none of the two, comes out as PNG and is equal outside to the last bit; a JPEG
comes out as JPEG with its own tables, which nearly gives it back. What the file said besides, such as the place, is gone.
"""

import io
from typing import Any

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from components.data.faces import FaceFinder
from components.data.transforms.preprocess import BadImage, decode

MARGIN = 0.2  # of the face's sides, at each
FIELDS = 4  # a side
PASSES = 4  # after each it is looked again; a face beside the first may only then be seen

Box = tuple[int, int, int, int]


def blurred(data: bytes, finder: FaceFinder) -> tuple[bytes, str] | None:
    """Return a picture with its faces blurred, and its suffix; None where no face is seen, or the bytes are no picture."""
    try:
        picture = decode(data)
    except BadImage:
        return None
    boxes = finder.boxes(_on_white(picture))
    if not boxes:
        return None
    for turn in range(1, PASSES + 1):
        for box in boxes:
            _smear(picture, _grown(box, picture.size, MARGIN * turn))
        boxes = finder.boxes(_on_white(picture))
        if not boxes:
            break
    else:
        for box in boxes:  # what still looks like a face is one colour
            part = picture.crop(box)
            picture.paste(part.resize((1, 1), Image.Resampling.BOX).resize(part.size), box)
    return _encoded(picture, data)


def _smear(picture: Image.Image, box: Box) -> None:
    part = picture.crop(box)
    few = part.resize((FIELDS, FIELDS), Image.Resampling.BOX)
    picture.paste(few.resize(part.size, Image.Resampling.BICUBIC), box)


def _grown(box: Box, size: tuple[int, int], share: float) -> Box:
    left, top, right, bottom = box
    x, y = int((right - left) * share), int((bottom - top) * share)
    return max(0, left - x), max(0, top - y), min(size[0], right + x), min(size[1], bottom + y)


def _on_white(picture: Image.Image) -> Image.Image:
    canvas = Image.new("RGBA", picture.size, (255, 255, 255, 255))
    return Image.alpha_composite(canvas, picture).convert("RGB")


def _encoded(picture: Image.Image, data: bytes) -> tuple[bytes, str]:
    """Return the picture stored as the bytes were, if these are a JPEG, else as PNG."""
    held = io.BytesIO()
    with Image.open(io.BytesIO(data)) as before:
        if isinstance(before, JpegImageFile):
            plain = before.mode in ("L", "RGB")
            options: dict[str, Any] = {"qtables": before.quantization, "subsampling": 0} if plain else {"quality": 95}
            picture.convert("L" if before.mode == "L" else "RGB").save(held, "JPEG", **options)
            return held.getvalue(), ".jpg"
    if picture.getchannel("A").getextrema() == (255, 255):
        picture = picture.convert("RGB")
    picture.save(held, "PNG")
    return held.getvalue(), ".png"
