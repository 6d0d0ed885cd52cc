"""What one picture is, once decoded: its size, a fingerprint of its pixels, and how much there is to see.

Everything is measured on white, the background that training and serving use.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from PIL import Image

from components.data.transforms.preprocess import decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Measurements of a decoded picture.

    Args:
        width: pixels.
        height: pixels.
        pixel_sha256: hex digest of size and RGB values; equal for pictures that look equal, however they are encoded.
        contrast: RMS distance of the pixels from their own mean colour, 0 for one flat colour, at most about 0.5.
    """

    width: int
    height: int
    pixel_sha256: str
    contrast: float


def on_white(data: bytes) -> Image.Image:
    """Return an upright RGB picture on white. Raises BadImage when the bytes cannot be decoded, or hold too much."""
    rgba = decode(data)
    if rgba.getchannel("A").getextrema() == (255, 255):  # nothing shows through, and the long way gives the same
        return rgba.convert("RGB")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, (255, 255, 255, 255)), rgba).convert("RGB")


def look(data: bytes) -> Look:
    """Decode and measure. Raises BadImage when the bytes cannot be decoded, or hold too many pixels."""
    picture = on_white(data)
    fingerprint = hashlib.sha256(f"{picture.width}x{picture.height}:".encode())
    fingerprint.update(picture.tobytes())
    return Look(
        width=picture.width,
        height=picture.height,
        pixel_sha256=fingerprint.hexdigest(),
        contrast=contrast_of(picture),
    )


def contrast_of(picture: Image.Image) -> float:
    """Return the contrast of an RGB picture, from how often each value occurs, which is far faster than from the pixels."""
    often = np.array(picture.histogram(), np.float64).reshape(3, 256) / (picture.width * picture.height)
    values = np.arange(256) / 255
    mean = often @ values
    return float(np.sqrt((often * (values - mean[:, None]) ** 2).sum(1).mean()))
