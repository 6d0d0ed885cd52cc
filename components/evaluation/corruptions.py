"""Pictures as a poor camera, a poor lens or a poor copy would show them, at three strengths.

Source: Hendrycks and Dietterich 2019, arXiv:1903.12261, section 3 and appendix B (ImageNet-C: names, formulas, and its severities 1, 3 and 5, which are our
1, 2 and 3). Differs: ten of its fifteen, without snow, frost and fog, which take pictures of their own, glass and elastic; what is measured in pixels of a
picture of 224 is taken as a share of the side, as pictures here may be smaller; a disk has soft edges at any radius; what is drawn depends on the picture's
key and not on the strength, so that a stronger noise is the same noise, stronger.
Golden: imagecorruptions 1.1.2, in means of 16 x 16 pixels and in how far pixels move.
Axes: H = W pixels a side, K of a kernel.
"""

import io
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

STRENGTHS = (1, 2, 3)
OF_PX = 224  # pictures of ImageNet-C
FINE = 8  # points a pixel, each way, by which a disk is laid on pixels

Pixels = Float[np.ndarray, "H W 3"]
Drawn = np.random.Generator


def gaussian_noise(pixels: Pixels, deviation: float, draw: Drawn) -> Pixels:
    """Return the picture with noise that is as strong everywhere: little light."""
    return pixels + deviation * draw.standard_normal(pixels.shape)


def shot_noise(pixels: Pixels, photons: float, draw: Drawn) -> Pixels:
    """Return what a pixel counts of so many photons, of which white gives it all."""
    return draw.poisson(pixels * photons) / photons


def impulse_noise(pixels: Pixels, share: float, draw: Drawn) -> Pixels:
    """Return the picture with a share of its numbers black or white, as often the one as the other."""
    dice = draw.random(pixels.shape)
    return np.where(dice < share / 2, 0.0, np.where(dice < share, 1.0, pixels))


def defocus_blur(pixels: Pixels, radius: float, draw: Drawn) -> Pixels:
    """Return the picture with a disk for each point; the radius is in pixels of 224."""
    return _convolved(pixels, disk(radius * len(pixels) / OF_PX))


def motion_blur(pixels: Pixels, far: tuple[float, float], draw: Drawn) -> Pixels:
    """Return the picture as moved one way, at most 45 degrees off the horizontal: reach and deviation in pixels of 224."""
    reach, deviation = (length * len(pixels) / OF_PX for length in far)
    return _convolved(pixels, trail(reach, deviation, draw.uniform(-45, 45)))


def zoom_blur(pixels: Pixels, far: tuple[float, float], draw: Drawn) -> Pixels:
    """Return the mean of the picture and of it at zooms from 1 to the first number, in steps of the second."""
    side, image = len(pixels), _image(pixels)
    zooms = np.arange(1, far[0] + far[1] / 2, far[1])
    total = pixels.copy()
    for zoom in zooms:
        edge = (side - side / zoom) / 2
        box = (edge, edge, side - edge, side - edge)
        total += np.asarray(image.resize((side, side), Image.Resampling.BILINEAR, box=box), np.float64) / 255
    return total / (len(zooms) + 1)


def brightness(pixels: Pixels, more: float, draw: Drawn) -> Pixels:
    """Return the picture with its V of HSV raised."""
    value = pixels.max(-1, keepdims=True)
    raised = np.minimum(value + more, 1)
    return np.where(value > 0, pixels * raised / np.maximum(value, 1e-9), raised)


def contrast(pixels: Pixels, left: float, draw: Drawn) -> Pixels:
    """Return the picture with this share left of the distance of each pixel to the mean of its channel."""
    mean = pixels.mean((0, 1), keepdims=True)
    return mean + left * (pixels - mean)


def pixelate(pixels: Pixels, share: float, draw: Drawn) -> Pixels:
    """Return the picture made smaller to this share of its side, and large again, without any smoothing."""
    side = len(pixels)
    small = max(1, int(side * share))
    image = _image(pixels).resize((small, small), Image.Resampling.BOX)
    return np.asarray(image.resize((side, side), Image.Resampling.BOX), np.float64) / 255


def jpeg_compression(pixels: Pixels, quality: float, draw: Drawn) -> Pixels:
    """Return the picture as a JPEG of that quality has it."""
    file = io.BytesIO()
    _image(pixels).save(file, "JPEG", quality=int(quality))
    return np.asarray(Image.open(file), np.float64) / 255


CORRUPTIONS: Mapping[str, tuple[Callable[[Pixels, Any, Drawn], Pixels], tuple[Any, Any, Any]]] = {
    "gaussian_noise": (gaussian_noise, (0.08, 0.18, 0.38)),
    "shot_noise": (shot_noise, (60.0, 12.0, 3.0)),
    "impulse_noise": (impulse_noise, (0.03, 0.09, 0.27)),
    "defocus_blur": (defocus_blur, (3.0, 6.0, 10.0)),
    "motion_blur": (motion_blur, ((10.0, 3.0), (15.0, 8.0), (20.0, 15.0))),
    "zoom_blur": (zoom_blur, ((1.1, 0.01), (1.2, 0.02), (1.3, 0.03))),
    "brightness": (brightness, (0.1, 0.3, 0.5)),
    "contrast": (contrast, (0.4, 0.2, 0.05)),
    "pixelate": (pixelate, (0.6, 0.4, 0.25)),
    "jpeg_compression": (jpeg_compression, (25.0, 15.0, 7.0)),
}
"""Name -> what does it, and how far at each strength."""


def corrupted(
    pixels: UInt8[np.ndarray, "H W 3"], name: str, strength: int, seed: int, key: str
) -> UInt8[np.ndarray, "H W 3"]:
    """Return a square picture changed, the same for the same arguments.

    Args:
        name: of CORRUPTIONS; KeyError for others.
        strength: of STRENGTHS.
        seed: of what is drawn, not below 0.
        key: names the picture; another draws other noise.
    """
    change, by_strength = CORRUPTIONS[name]
    draw = np.random.default_rng((seed, *f"{name} {key}".encode()))
    changed = change(pixels / 255, by_strength[STRENGTHS.index(strength)], draw)
    return (np.clip(changed, 0, 1) * 255).round().astype(np.uint8)


def disk(radius: float) -> Float[np.ndarray, "K K"]:
    """Return how much of each pixel around the middle a disk covers, summing to 1; below half a pixel it is hardly more than a point."""
    reach = math.ceil(radius)
    place = (np.arange((2 * reach + 1) * FINE) + 0.5) / FINE - reach - 0.5
    inside = np.hypot(*np.meshgrid(place, place)) <= max(radius, 1 / FINE)
    covered = inside.reshape(2 * reach + 1, FINE, 2 * reach + 1, FINE).mean((1, 3))
    return covered / covered.sum()


def trail(reach: float, deviation: float, degrees: float) -> Float[np.ndarray, "K K"]:
    """Return what a point leaves behind that moves: half a Gaussian, cut off at twice the reach, summing to 1; 0 degrees is to the right."""
    steps = np.linspace(0, 2 * reach, 2 * FINE * math.ceil(2 * reach) + 1)
    weights = np.exp(-0.5 * (steps / deviation) ** 2)
    middle = math.ceil(2 * reach) + 1
    kernel = np.zeros((2 * middle + 1, 2 * middle + 1))
    down, right = (middle + steps * turn(math.radians(degrees)) for turn in (math.sin, math.cos))
    for below in (0, 1):
        for beside in (0, 1):  # each point is shared out over the four pixels around it
            row, column = np.floor(down).astype(int) + below, np.floor(right).astype(int) + beside
            np.add.at(kernel, (row, column), weights * (1 - abs(down - row)) * (1 - abs(right - column)))
    return kernel / kernel.sum()


def _convolved(pixels: Pixels, kernel: Float[np.ndarray, "K K"]) -> Pixels:
    """Return the picture, mirrored beyond its edges, under a kernel; by Fourier, which takes no longer for a large one."""
    reach = len(kernel) // 2
    padded = np.pad(pixels, ((reach, reach), (reach, reach), (0, 0)), mode="reflect")
    size = padded.shape[:2]
    spectrum = np.fft.rfft2(padded, axes=(0, 1)) * np.fft.rfft2(kernel, size)[..., None]
    whole = np.fft.irfft2(spectrum, size, axes=(0, 1))
    return whole[2 * reach :, 2 * reach :]


def _image(pixels: Pixels) -> Image.Image:
    return Image.fromarray((pixels * 255).round().astype(np.uint8))
