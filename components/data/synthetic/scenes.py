"""Scenes: one shape each, named by a small grammar and drawn by three hands. Nothing is downloaded.

`a <size> <colour> <shape>[ with <texture>]` has 2 x 8 x 6 x 3 = 288 sentences; each is a concept, and each is drawn by
`flat`, `ink` and, held out of training, `chalk`. A picture follows from seed and index alone. Small enough for a test,
and regular enough for a tiny CLIP to learn; the way through shards, splits and gates is the same as for real data.
"""

import io
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageDraw

from components.contracts.errors import ConfigError
from components.contracts.progress import Progress
from components.contracts.sample import Media, Sample, Text
from components.data.splits import SplitRule, chance

SIDE = 64  # pixels
_SCALE = 4  # drawn larger, then averaged down, which smooths edges
SIZES = {"small": 0.24, "large": 0.42}  # radius, of the picture's side
COLOURS = {
    "red": (214, 39, 40),
    "orange": (255, 140, 20),
    "yellow": (250, 220, 40),
    "green": (44, 160, 44),
    "blue": (40, 90, 200),
    "purple": (140, 70, 180),
    "brown": (130, 80, 50),
    "black": (25, 25, 25),
}
SHAPES = ("circle", "square", "triangle", "star", "cross", "ring")
TEXTURES = ("plain", "stripes", "dots")
DESIGNERS = ("flat", "ink", "chalk")
HELD_OUT = "chalk"
LICENCE = "CC0-1.0"
_PAPER = {"flat": (255, 255, 255), "ink": (244, 240, 228), "chalk": (208, 216, 220)}
_CORNERS = {"square": 4, "triangle": 3, "star": 5}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One sentence of the grammar."""

    size: str
    colour: str
    shape: str
    texture: str

    @property
    def caption(self) -> str:
        """Return the sentence, such as "a large red circle with stripes"."""
        worn = "" if self.texture == "plain" else f" with {self.texture}"
        return f"a {self.size} {self.colour} {self.shape}{worn}"


SCENES = tuple(
    Scene(size=size, colour=colour, shape=shape, texture=texture)
    for size, colour, shape, texture in itertools.product(SIZES, COLOURS, SHAPES, TEXTURES)
)


class ScenesSource:
    """Draws `pictures` pictures of 64 x 64 pixels, three a sentence.

    Args:
        pictures: how many, from 3 to 864; ConfigError otherwise.
    """

    def __init__(self, pictures: int = 240) -> None:
        most = len(SCENES) * len(DESIGNERS)
        if isinstance(pictures, bool) or not isinstance(pictures, int) or not len(DESIGNERS) <= pictures <= most:
            raise ConfigError(
                f"source.pictures is {pictures!r}. The grammar has {len(SCENES)} sentences, drawn by {len(DESIGNERS)} "
                f"designers: give a whole number from {len(DESIGNERS)} to {most}."
            )
        self.pictures = pictures

    def samples(self, seed: int, progress: Progress) -> Iterator[Sample]:
        """Yield the pictures, three designers a sentence, the sentences in an order that follows from the seed."""
        chosen = sorted(SCENES, key=lambda scene: chance(seed, "scene", scene.caption))
        for index in range(self.pictures):
            scene = chosen[index // len(DESIGNERS)]
            designer = DESIGNERS[index % len(DESIGNERS)]
            split = SplitRule(held_out=HELD_OUT).assign(seed, scene.caption, DESIGNERS)[designer]
            key = f"{designer}-{index // len(DESIGNERS):03d}"
            yield Sample(
                key=key,
                split=split,
                source=designer,
                licence=LICENCE,
                media=(Media(member=f"{key}.png", data=_png(draw_scene(scene, designer, seed))),),
                texts=(Text(text=scene.caption),),
                labels={"concept": scene.caption, "category": scene.shape, "subcategory": scene.colour},
            )
            progress("draw and write pictures", index + 1, self.pictures)

    def describe(self) -> dict[str, object]:
        """Return what the pictures are made of."""
        return {
            "name": "scenes",
            "designers": dict.fromkeys(DESIGNERS, LICENCE),
            "held_out": HELD_OUT,
            "languages": ["en"],
            "size_px": SIDE,
            "pictures": self.pictures,
        }


def draw_scene(scene: Scene, designer: str, seed: int) -> Image.Image:
    """Return an RGB picture, the same for the same arguments; place and turn vary by designer and seed."""
    side = SIDE * _SCALE
    luck = [chance(seed, f"{designer} {what}", scene.caption) - 0.5 for what in ("x", "y", "turn")]
    radius = SIZES[scene.size] * side
    centre = (side * (0.5 + 0.12 * luck[0]), side * (0.5 + 0.12 * luck[1]))
    shape = _mask(scene.shape, centre, radius, turn=0.5 * luck[2])
    ink = COLOURS[scene.colour]
    picture = Image.new("RGB", (side, side), _PAPER[designer])
    if designer == "ink":  # a dark outline around a full fill
        picture.paste((40, 40, 60), mask=_mask(scene.shape, centre, radius * 1.1, turn=0.5 * luck[2]))
    if designer == "chalk":  # pale colours
        ink = (ink[0] * 3 // 4 + 64, ink[1] * 3 // 4 + 64, ink[2] * 3 // 4 + 64)
    picture.paste(ink, mask=shape)
    if scene.texture != "plain":
        picture.paste(_PAPER[designer], mask=ImageChops.multiply(shape, _texture(scene.texture, designer)))
    return picture.resize((SIDE, SIDE), Image.Resampling.BOX)


def _mask(shape: str, centre: tuple[float, float], radius: float, turn: float) -> Image.Image:
    """Return where the shape is: 255 inside, 0 outside. `turn` is in radians."""
    mask = Image.new("L", (SIDE * _SCALE, SIDE * _SCALE), 0)
    pen = ImageDraw.Draw(mask)
    if shape in ("circle", "ring"):
        pen.circle(centre, radius, fill=255)
        if shape == "ring":
            pen.circle(centre, radius * 0.55, fill=0)
    elif shape == "cross":
        for width, height in ((1.0, 0.32), (0.32, 1.0)):
            corners = [(x * width, y * height) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
            pen.polygon([_place(x, y, centre, radius, turn) for x, y in corners], fill=255)
    else:
        pen.polygon([_place(x, y, centre, radius, turn) for x, y in _outline(shape)], fill=255)
    return mask


def _outline(shape: str) -> list[tuple[float, float]]:
    """Return the corners of a regular shape in the unit circle, the first at the top; a star has inner ones between."""
    corners = _CORNERS[shape]
    steps = corners * 2 if shape == "star" else corners
    start = math.pi / 4 if shape == "square" else 0.0
    points = []
    for step in range(steps):
        angle = start + 2 * math.pi * step / steps
        reach = 0.42 if shape == "star" and step % 2 else 1.0
        points.append((reach * math.sin(angle), -reach * math.cos(angle)))
    return points


def _place(x: float, y: float, centre: tuple[float, float], radius: float, turn: float) -> tuple[float, float]:
    cos, sin = math.cos(turn), math.sin(turn)
    return centre[0] + radius * (x * cos - y * sin), centre[1] + radius * (x * sin + y * cos)


def _texture(texture: str, designer: str) -> Image.Image:
    """Return where the paper shows through: stripes lie flat or steep by designer, dots sit on a grid."""
    side = SIDE * _SCALE
    mask = Image.new("L", (side, side), 0)
    pen = ImageDraw.Draw(mask)
    step = side // 10
    for at in range(0, side * 2, step):
        if texture == "stripes":
            lean = 0 if designer == "flat" else side // 3
            pen.line([(0, at), (side, at - lean)], fill=255, width=step // 3)
        else:
            for along in range(0, side, step):
                pen.circle((along + (at // step % 2) * step / 2, at), step * 0.26, fill=255)
    return mask


def _png(picture: Image.Image) -> bytes:
    held = io.BytesIO()
    picture.save(held, "PNG")
    return held.getvalue()
