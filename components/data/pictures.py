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
    return Image.alpha_composite(Image.new("RGBA", rgba.size, (255, 255, 255, 255)), rgba).convert("RGB")


def look(data: bytes) -> Look:
    """Decode and measure. Raises BadImage when the bytes cannot be decoded, or hold too many pixels."""
    picture = on_white(data)
    pixels = np.asarray(picture, np.uint8).reshape(-1, 3)
    fingerprint = hashlib.sha256(f"{picture.width}x{picture.height}:".encode())
    fingerprint.update(pixels.tobytes())
    deviation = pixels.std(axis=0, dtype=np.float64) / 255
    return Look(
        width=picture.width,
        height=picture.height,
        pixel_sha256=fingerprint.hexdigest(),
        contrast=float(np.sqrt((deviation**2).mean())),
    )
