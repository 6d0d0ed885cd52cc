"""A perceptual hash: 64 bits that stay the same, or nearly, when a picture is scaled, recompressed or slightly changed.

Source: pHash, Zauner 2010, "Implementation and Benchmarking of Perceptual Image Hash Functions", as the package imagehash
has it. Differs: coefficients are rounded, so that drawings with an axis of symmetry, whose odd coefficients are nought but
for rounding errors, hash alike on every machine.
Golden: imagehash 4.3.2 `phash`, all bits; tests/golden/make_phash.py.
Axes: S = 32 pixels a side, K = 8 frequencies a side.
"""

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image

SIDE = 32
KEPT = 8
CORNER = 16
STEP = 32  # of 255, between neighbouring pixels
_DECIMALS = 3  # of coefficients up to a million
_BITS = np.arange(KEPT * KEPT - 1, -1, -1, dtype=np.uint64)


def _cosines() -> NDArray[np.float64]:
    """Return the rows [K S] of the type II cosine transform that are kept, without normalisation, as scipy has it."""
    at = (2 * np.arange(SIDE) + 1) * np.pi / (2 * SIDE)
    return 2 * np.cos(np.arange(KEPT)[:, None] * at)


_ROWS = _cosines()


def perceptual_hash(picture: Image.Image) -> int:
    """Return 64 bits, the lowest frequency first: is the coefficient above the median of all 64?"""
    small = picture.convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return bits_of(np.asarray(small, np.float64))


def corner_hashes(picture: Image.Image) -> tuple[int | None, ...]:
    """Return the hash of each corner's square: top left, top right, bottom left, bottom right; None where there is little to see.

    A square has CORNER pixels a side, or a quarter of a small picture's.
    """
    width, height = picture.size
    side = max(1, min(CORNER, width // 4, height // 4))
    squares = (
        picture.crop((left, top, left + side, top + side)) for top in (0, height - side) for left in (0, width - side)
    )
    return tuple(perceptual_hash(square) if _is_busy(square) else None for square in squares)


def _is_busy(picture: Image.Image) -> bool:
    """Return whether an eighth of neighbouring pixels or more differ by a step that is seen; a mere edge is not busy."""
    grey = np.asarray(picture.convert("L"), np.int16)
    steps = [np.abs(np.diff(grey, axis=axis)) > STEP for axis in (0, 1)]
    return sum(int(step.sum()) for step in steps) * 8 >= max(1, sum(step.size for step in steps))


def bits_of(grey: Float[np.ndarray, "S S"]) -> int:
    """Return the hash of a picture that is already grey, 0 to 255, and of SIDE pixels."""
    low = np.round(_ROWS @ grey @ _ROWS.T, _DECIMALS)
    above = (low > np.median(low)).ravel()
    return int((above.astype(np.uint64) << _BITS).sum(dtype=np.uint64))
