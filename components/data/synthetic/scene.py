"""A scene: some things in the cells of a grid, no two of one colour and shape, and what is true of them.

A scene follows from seed, index and options alone, on every machine: only `random()` of Python's generator is used,
which the language promises to keep.
"""

import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, product
from typing import TypeVar

from components.contracts.errors import ConfigError
from components.data.splits import chance
from components.data.synthetic.words import COLOURS, HELD_OUT, OPPOSITE, PLACES, SHAPES, SIZES, TEXTURES

One = TypeVar("One")
Kind = tuple[str, str]  # colour and shape
HELD_OUT_SHARE = 0.1  # of the kinds, never trained on
# Who draws the picture, and whether one thing is of a kind that is never trained on, by index: 1 in 20 is both.
ROLES = ("both", *("concept",) * 2, *("designer",) * 2, *("seen",) * 15)
_STRIDE = 7  # prime to the number of roles, so that they come mixed
_TURN_STEPS, _TURN = 9, 16.0  # degrees to either side; more would make a diamond of a square


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneOptions:
    """What scenes are made of.

    Args:
        size_px: side of the picture, 32 to 256.
        things: fewest and most of them in a picture.
        grid: cells a side; a cell holds one thing at the most.
        shapes: those there are, of words.SHAPES.
        colours: those there are, of words.COLOURS.
        sizes: those there are, of words.SIZES.
        textures: those there are, of words.TEXTURES.
        zipf: 0 for kinds that are equally frequent; above, the r-th is as frequent as r to the power of -zipf.
    """

    size_px: int = 64
    things: Sequence[int] = (1, 3)
    grid: int = 3
    shapes: Sequence[str] = SHAPES
    colours: Sequence[str] = tuple(COLOURS)
    sizes: Sequence[str] = tuple(SIZES)
    textures: Sequence[str] = TEXTURES
    zipf: float = 0.0

    def __post_init__(self) -> None:
        for name, there_are in (("shapes", SHAPES), ("colours", COLOURS), ("sizes", SIZES), ("textures", TEXTURES)):
            given = getattr(self, name)
            if isinstance(given, str) or not given or len(set(given)) != len(given) or not set(given) <= set(there_are):
                raise ConfigError(
                    f"scene.{name} is {given!r}. Give a list of different ones of {', '.join(there_are)}."
                )
        _whole("size_px", self.size_px, 32, 256)
        _whole("grid", self.grid, 2, 6)
        if self.size_px // self.grid < 12:
            raise ConfigError(
                f"scene.grid is {self.grid} at {self.size_px} pixels, so a cell has {self.size_px // self.grid}, too few to "
                f"tell shapes apart: 12 are needed. Give a grid of {max(2, self.size_px // 12)} or less, or more pixels."
            )
        if len(self.things) != 2:
            raise ConfigError(f"scene.things is {self.things!r}. Give fewest and most, such as [1, 3].")
        _whole("things", self.things[0], 1, 5)
        _whole("things", self.things[1], self.things[0], min(5, self.grid**2))
        if self.zipf < 0:
            raise ConfigError(f"scene.zipf is {self.zipf}. Give 0 for equally frequent kinds, or more, such as 1.")
        if len(self.shapes) * len(self.colours) <= 2 * self.things[1]:
            raise ConfigError(
                f"{len(self.shapes)} shapes in {len(self.colours)} colours are too few for {self.things[1]} different things in "
                "a picture with some held out. Give more of scene.shapes or scene.colours."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """One thing in a picture.

    Args:
        cell: row and column, from 0.
        centre: x and y, in pixels.
        radius: in pixels.
        turn: in degrees, clockwise.
    """

    shape: str
    colour: str
    size: str
    texture: str
    cell: tuple[int, int]
    centre: tuple[int, int]
    radius: float
    turn: float

    @property
    def kind(self) -> Kind:
        """Return its colour and shape, which no other thing of the scene has."""
        return self.colour, self.shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a picture shows.

    Args:
        things: in the order in which they are named.
        designer: who draws it.
        size_px: side of the picture.
        grid: cells a side.
    """

    things: tuple[Thing, ...]
    designer: str
    size_px: int
    grid: int

    def place(self, thing: Thing) -> str:
        """Return which ninth of the picture a thing's cell lies in, such as "top left"."""
        down, across = (int(3 * (at + 0.5) / self.grid) for at in thing.cell)
        return PLACES[3 * down + across]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinds:
    """The kinds of a data set: those that are trained on, and those held out.

    Args:
        weights: running sums of how frequent the seen ones are.
    """

    seen: tuple[Kind, ...]
    held_out: tuple[Kind, ...]
    weights: tuple[float, ...]

    @classmethod
    def of(cls, options: SceneOptions, seed: int) -> "Kinds":
        """Return which they are: by hash, and of each colour and shape at most one is held out, where there are several."""
        kinds = sorted(
            product(options.colours, options.shapes), key=lambda kind: chance(seed, "held out", " ".join(kind))
        )
        wanted, held = max(1, round(HELD_OUT_SHARE * len(kinds))), list[Kind]()
        for kind in kinds:
            if len(held) < wanted and not any(set(kind) & set(one) for one in held):
                held.append(kind)
        held = held if len(options.shapes) > 1 and len(options.colours) > 1 else kinds[:wanted]
        seen = tuple(kind for kind in kinds if kind not in held)
        weights = tuple(accumulate((rank + 1) ** -options.zipf for rank in range(len(seen))))
        return cls(seen=seen, held_out=tuple(held), weights=weights)


def compose(seed: int, index: int, options: SceneOptions, kinds: Kinds) -> Scene:
    """Return the scene of an index."""
    luck, role = random.Random(f"{seed}/{index}"), ROLES[index * _STRIDE % len(ROLES)]
    fewest, most = options.things
    count = fewest + int(luck.random() * (most - fewest + 1))
    chosen = [pick(luck, kinds.held_out)] if role in ("concept", "both") else []
    while len(chosen) < count:
        kind = _weighted(luck, kinds)
        if kind not in chosen:
            chosen.append(kind)
    cells = [divmod(cell, options.grid) for cell in shuffled(luck, range(options.grid**2))[:count]]
    things = tuple(_thing(luck, kind, cell, options) for kind, cell in zip(shuffled(luck, chosen), cells, strict=True))
    designer = HELD_OUT if role in ("designer", "both") else pick(luck, ("flat", "ink"))
    return Scene(things=things, designer=designer, size_px=options.size_px, grid=options.grid)


def relations(one: Thing, other: Thing) -> tuple[str, ...]:
    """Return all that holds between two things; where they are farther apart comes first, then where, then size."""
    down, across = other.cell[0] - one.cell[0], other.cell[1] - one.cell[1]
    beside = [] if across == 0 else ["left of" if across > 0 else "right of"]
    over = [] if down == 0 else ["above" if down > 0 else "below"]
    ranks = [list(SIZES).index(thing.size) for thing in (one, other)]
    bigger = [] if ranks[0] == ranks[1] else ["larger than" if ranks[0] > ranks[1] else "smaller than"]
    return (*(over + beside if abs(down) > abs(across) else beside + over), *bigger)


def upright(one: Thing, other: Thing) -> tuple[Thing, str, Thing]:
    """Return two things and how they lie, always as left of or above: "a right of b" is "b left of a"."""
    lies = relations(one, other)[0]
    return (one, lies, other) if lies in ("left of", "above") else (other, OPPOSITE[lies], one)


def pick(luck: random.Random, of: Sequence[One]) -> One:
    """Return one, each as likely."""
    return of[int(luck.random() * len(of))]


def shuffled(luck: random.Random, of: Sequence[One]) -> list[One]:
    """Return all in an order, each as likely."""
    left = list(of)
    return [left.pop(int(luck.random() * len(left))) for _ in range(len(left))]


def _thing(luck: random.Random, kind: Kind, cell: tuple[int, int], options: SceneOptions) -> Thing:
    size, texture = pick(luck, options.sizes), pick(luck, options.textures)
    side = options.size_px / options.grid
    radius = round(side / 2 * SIZES[size] * pick(luck, (0.96, 1.0, 1.04)), 3)
    slack = max(0.0, side / 2 - radius)
    centre = tuple(int(side * (at + 0.5) + slack * (2 * luck.random() - 1)) for at in (cell[1], cell[0]))
    turn = _TURN * (2 * int(luck.random() * _TURN_STEPS) / (_TURN_STEPS - 1) - 1)
    return Thing(
        colour=kind[0], shape=kind[1], size=size, texture=texture, cell=cell, centre=(centre[0], centre[1]), radius=radius,
        turn=turn,
    )  # fmt: skip


def _weighted(luck: random.Random, kinds: Kinds) -> Kind:
    return kinds.seen[bisect_right(kinds.weights, luck.random() * kinds.weights[-1], hi=len(kinds.seen) - 1)]


def _whole(name: str, value: object, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ConfigError(f"scene.{name} has {value!r}. Give a whole number from {least} to {most}.")
