"""What one picture is, once decoded: its size, a fingerprint of its pixels, and how much there is to see.

Everything is measured on white, the background that training and serving use.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from components.data.transforms.preprocess import upright

_VALUES = np.arange(256) / 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Measurements of a decoded picture.

    Args:
        width: pixels.
        height: pixels.
        pixel_sha256: hex digest of size and RGB values; equal for pictures that look equal, however they are encoded.
        contrast: RMS distance of the pixels from their own mean colour, 0 for one flat colour, at most about 0.5.
        colour: mean of R, G and B, each 0 to 1.
    """

    width: int
    height: int
    pixel_sha256: str
    contrast: float
    colour: tuple[float, float, float]


def on_white(data: bytes) -> Image.Image:
    """Return an upright RGB picture on white. Raises BadImage when the bytes cannot be decoded, or hold too much."""
    picture = upright(data, None)
    if picture.mode == "RGB":
        return picture
    if picture.getchannel("A").getextrema() == (255, 255):  # nothing shows through, and the long way gives the same
        return picture.convert("RGB")
    return Image.alpha_composite(Image.new("RGBA", picture.size, (255, 255, 255, 255)), picture).convert("RGB")


def look(data: bytes) -> Look:
    """Decode and measure. Raises BadImage when the bytes cannot be decoded, or hold too many pixels."""
    return look_at(on_white(data))


def look_at(picture: Image.Image) -> Look:
    """Measure an RGB picture on white."""
    fingerprint = hashlib.sha256(f"{picture.width}x{picture.height}:".encode())
    fingerprint.update(picture.tobytes())
    often = _often(picture)
    red, green, blue = (float(mean) for mean in often @ _VALUES)
    return Look(
        width=picture.width,
        height=picture.height,
        pixel_sha256=fingerprint.hexdigest(),
        contrast=_contrast(often),
        colour=(red, green, blue),
    )


def contrast_of(picture: Image.Image) -> float:
    """Return the contrast of an RGB picture, from how often each value occurs, which is far faster than from the pixels."""
    return _contrast(_often(picture))


def colour_of(picture: Image.Image) -> NDArray[np.float64]:
    """Return the mean of R, G and B, each 0 to 1."""
    return _often(picture) @ _VALUES


def _contrast(often: NDArray[np.float64]) -> float:
    mean = often @ _VALUES
    return float(np.sqrt((often * (_VALUES - mean[:, None]) ** 2).sum(1).mean()))


def _often(picture: Image.Image) -> NDArray[np.float64]:
    """Return the share of each value 0 to 255, a row a channel."""
    return np.array(picture.histogram(), np.float64).reshape(3, 256) / (picture.width * picture.height)
