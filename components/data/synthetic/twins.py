"""Twins: scenes that differ from another in one thing that can be said. What a model that only counts words gets wrong."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from components.data.synthetic.scene import Kinds, Scene, SceneOptions, Thing, shuffled
from components.data.synthetic.words import SIZES

CHANGES = ("colour", "shape", "size", "texture", "place")


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """A scene that is nearly another.

    Args:
        change: one of CHANGES; `place` where two things stand in each other's place, or one stands elsewhere.
    """

    scene: Scene
    change: str


def twins(scene: Scene, options: SceneOptions, kinds: Kinds, luck: random.Random) -> Iterator[Twin]:
    """Yield twins in an order that follows from `luck`, each of another change before the first change comes again."""
    left = [_changed(scene, change, options, kinds, luck) for change in shuffled(luck, CHANGES)]
    while left:
        for one in list(left):
            if (twin := next(one, None)) is None:
                left.remove(one)
            else:
                yield twin


def _changed(scene: Scene, change: str, options: SceneOptions, kinds: Kinds, luck: random.Random) -> Iterator[Twin]:
    if change == "place":
        yield from (Twin(scene=moved, change=change) for moved in _moved(scene, options, luck))
        return
    there = {thing.kind for thing in scene.things}
    for place in shuffled(luck, range(len(scene.things))):
        thing = scene.things[place]
        now = getattr(thing, change)
        for word in shuffled(luck, getattr(options, f"{change}s")):
            other = replace(thing, **{change: word})
            known = other.kind in kinds.seen or (thing.kind in kinds.held_out and other.kind in kinds.held_out)
            if word == now or (change in ("colour", "shape") and (other.kind in there or not known)):
                continue
            if change == "size":
                radius = thing.radius * SIZES[word] / SIZES[thing.size]
                other = replace(other, radius=round(radius, 3), centre=_middle(scene, thing.cell))
            yield Twin(scene=_with(scene, {place: other}), change=change)


def _moved(scene: Scene, options: SceneOptions, luck: random.Random) -> Iterator[Scene]:
    if len(scene.things) == 1:
        thing = scene.things[0]
        for cell in shuffled(luck, range(options.grid**2)):
            at = divmod(cell, options.grid)
            if at != thing.cell:
                yield _with(scene, {0: replace(thing, cell=at, centre=_middle(scene, at))})
        return
    one, other = scene.things[:2]  # whose places captions speak of
    yield _with(
        scene,
        {
            0: replace(one, cell=other.cell, centre=_middle(scene, other.cell)),
            1: replace(other, cell=one.cell, centre=_middle(scene, one.cell)),
        },
    )


def _with(scene: Scene, changed: dict[int, Thing]) -> Scene:
    things = tuple(changed.get(place, thing) for place, thing in enumerate(scene.things))
    return replace(scene, things=things)


def _middle(scene: Scene, cell: tuple[int, int]) -> tuple[int, int]:
    side = scene.size_px / scene.grid
    return int(side * (cell[1] + 0.5)), int(side * (cell[0] + 0.5))
