"""Scenes as pixels: every shape is drawn once, large, averaged down to a stamp that is kept, and laid where a thing is.

Axes: S side of a picture, H and W of a stamp, all in pixels.
"""

import io
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image, ImageDraw

from components.data.synthetic.scene import Scene, Thing
from components.data.synthetic.words import COLOURS

_FINER = 8  # times as large as it is kept
_CORNERS = {"square": 4, "triangle": 3, "star": 5}
_PAPER = {"flat": (255, 255, 255), "ink": (244, 240, 228), "chalk": (208, 216, 220)}
_OUTLINE = (40, 40, 60)  # of designer ink
_OUTLINE_PX = 1.3
_SHOWN = 0.3  # of the colour, where a texture lets the paper through
_STRIPE_PX = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where a thing is.

    Args:
        box: left, top, right, bottom, in [0, 1] of the picture, right and bottom outside.
        mask: bool [S S], what belongs to the thing; a ring's hole does not, nor an outline.
    """

    box: tuple[float, float, float, float]
    mask: Bool[np.ndarray, "S S"]


def draw(scene: Scene) -> UInt8[np.ndarray, "S S 3"]:
    """Return the picture; the same for the same scene."""
    side = scene.size_px
    picture = np.empty((side, side, 3), np.uint8)
    picture[:] = _PAPER[scene.designer]
    for thing in scene.things:
        if scene.designer == "ink":
            _lay(picture, _stamp(thing.shape, thing.radius + _OUTLINE_PX, thing.turn), thing, _OUTLINE, None)
        ink = COLOURS[thing.colour]
        if scene.designer == "chalk":  # pale
            ink = (ink[0] * 3 // 4 + 64, ink[1] * 3 // 4 + 64, ink[2] * 3 // 4 + 64)
        through = None if thing.texture == "plain" else _texture(thing.texture, scene.designer, side)
        _lay(picture, _stamp(thing.shape, thing.radius, thing.turn), thing, ink, through)
    return picture


def place(scene: Scene, thing: Thing) -> Placed:
    """Return where a thing of the scene is, pixel for pixel as it is drawn."""
    side = scene.size_px
    stamp = _stamp(thing.shape, thing.radius, thing.turn)
    rows, columns, cut = _window(stamp, thing, side)
    mask = np.zeros((side, side), bool)
    mask[rows, columns] = stamp[cut] >= 128
    down, across = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = (across[0] / side, down[0] / side, (across[-1] + 1) / side, (down[-1] + 1) / side)
    return Placed(box=tuple(map(float, box)), mask=mask)  # type: ignore[arg-type]


def png(picture: UInt8[np.ndarray, "S S 3"]) -> bytes:
    """Return the picture as a file."""
    held = io.BytesIO()
    Image.fromarray(picture).save(held, "PNG", compress_level=1)
    return held.getvalue()


def _lay(
    picture: UInt8[np.ndarray, "S S 3"],
    stamp: UInt8[np.ndarray, "H W"],
    thing: Thing,
    ink: tuple[int, int, int],
    through: Bool[np.ndarray, "S S"] | None,
) -> None:
    """Colour the picture where the stamp is, less where the paper shows through."""
    rows, columns, cut = _window(stamp, thing, len(picture))
    share = stamp[cut].astype(np.int32)
    if through is not None:
        share = np.where(through[rows, columns], (share * _SHOWN).astype(np.int32), share)
    under = picture[rows, columns].astype(np.int32)
    picture[rows, columns] = (under * 255 + (np.array(ink, np.int32) - under) * share[..., None] + 127) // 255


def _window(stamp: UInt8[np.ndarray, "H W"], thing: Thing, side: int) -> tuple[slice, slice, tuple[slice, slice]]:
    """Return rows and columns of the picture that the stamp covers, and which part of the stamp that is."""
    half = len(stamp) // 2
    left, top = thing.centre[0] - half, thing.centre[1] - half
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + len(stamp), side), min(top + len(stamp), side)
    return slice(y0, y1), slice(x0, x1), (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))


@lru_cache(maxsize=4096)
def _stamp(shape: str, radius: float, turn: float) -> UInt8[np.ndarray, "H W"]:
    """Return how much of each pixel a shape covers, 0 to 255, its centre in the middle."""
    side = 2 * math.ceil(radius + 1) + 1
    large = Image.new("L", (side * _FINER, side * _FINER), 0)
    _fill(ImageDraw.Draw(large), shape, side * _FINER / 2, radius * _FINER, math.radians(turn))
    stamp = np.asarray(large.resize((side, side), Image.Resampling.BOX)).copy()
    stamp.setflags(write=False)
    return stamp


def _fill(pen: ImageDraw.ImageDraw, shape: str, middle: float, radius: float, turn: float) -> None:
    def placed(x: float, y: float) -> tuple[float, float]:
        cos, sin = math.cos(turn), math.sin(turn)
        return middle + radius * (x * cos - y * sin), middle + radius * (x * sin + y * cos)

    if shape in ("circle", "ring"):
        pen.circle((middle, middle), radius, fill=255)
        if shape == "ring":
            pen.circle((middle, middle), radius * 0.55, fill=0)
    elif shape == "cross":
        for width, height in ((1.0, 0.32), (0.32, 1.0)):
            pen.polygon([placed(x * width, y * height) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))], fill=255)
    else:
        pen.polygon([placed(x, y) for x, y in _outline(shape)], fill=255)


def _outline(shape: str) -> list[tuple[float, float]]:
    """Return the corners of a shape in the unit circle, y downwards; a star has inner ones between."""
    if shape == "diamond":
        return [(0, -1), (0.62, 0), (0, 1), (-0.62, 0)]
    if shape == "heart":
        steps = [2 * math.pi * step / 60 for step in range(60)]
        curve = [(16 * math.sin(t) ** 3, -_heart(t) - 2.5) for t in steps]
        return [(x / 16.5, y / 16.5) for x, y in curve]
    corners = _CORNERS[shape]
    count = corners * 2 if shape == "star" else corners
    start = math.pi / 4 if shape == "square" else 0.0
    points = []
    for step in range(count):
        angle = start + 2 * math.pi * step / count
        reach = 0.42 if shape == "star" and step % 2 else 1.0
        points.append((reach * math.sin(angle), -reach * math.cos(angle)))
    return points


def _heart(t: float) -> float:
    """Return the height of the common heart curve."""
    return 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)


@lru_cache(maxsize=64)
def _texture(texture: str, designer: str, side: int) -> Bool[np.ndarray, "S S"]:
    """Return where the paper shows through: stripes lie flat or lean by designer, dots and checks sit on a grid."""
    y, x = np.mgrid[:side, :side]
    if texture == "striped":
        lean = 0 if designer == "flat" else x
        return (y + lean) % _STRIPE_PX < _STRIPE_PX // 2
    if texture == "checked":
        return (y // 3 + x // 3) % 2 == 0
    return (y % 4 < 2) & ((x + 2 * (y // 4 % 2)) % 4 < 2)
