"""Clips: one thing that moves, turns, grows or blinks, as frames with the times of what happens and words for it.

A clip follows from seed, index and options alone. `python -m components.data.synthetic.clips FOLDER --count 60` writes frames
and spans.csv as the source `video_spans` reads them.
"""

import argparse
import csv
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from components.contracts.errors import ConfigError, DataError
from components.data.synthetic.brush import draw, png
from components.data.synthetic.scene import Scene, Thing, pick, shuffled
from components.data.synthetic.words import COLOURS, SHAPES
from components.data.synthetic.writer import GRAMMARS, full

EVENTS = {  # as it is said
    "left": "moves to the left",
    "right": "moves to the right",
    "up": "moves up",
    "down": "moves down",
    "turn": "turns",
    "grow": "grows",
    "shrink": "shrinks",
    "blink": "blinks",
}
LICENCE = "CC0-1.0"
_ROUND = ("circle", "ring")  # of which nobody sees that they turn
_RADIUS = 0.14  # of the picture's side
_DEGREES = 60.0  # that a thing turns: a square is not as before
_WAYS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipOptions:
    """What clips are like.

    Args:
        size_px: side of a frame, 32 to 256.
        events: fewest and most of them in a clip, one after the other, each another one.
        frames: of each event, at least 4.
        fps: frames a second.
    """

    size_px: int = 64
    events: tuple[int, int] = (1, 4)
    frames: int = 8
    fps: int = 4

    def __post_init__(self) -> None:
        fewest, most = self.events
        if not 1 <= fewest <= most <= 4 or not 32 <= self.size_px <= 256 or self.frames < 4 or self.fps < 1:
            raise ConfigError(
                f"{self}: give from 1 to 4 events, frames of 32 to 256 pixels, at least 4 of them an event, and fps of 1 or more."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What happens, and when.

    Args:
        what: one of EVENTS.
        first: its first frame, from 0.
        frames: how many it lasts.
        text: "a red circle moves up".
    """

    what: str
    first: int
    frames: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A clip.

    Args:
        scenes: what each frame shows.
        events: in their order, without gaps.
        fps: frames a second.
    """

    scenes: tuple[Scene, ...]
    events: tuple[Event, ...]
    fps: int

    def frames(self) -> Iterator[UInt8[np.ndarray, "S S 3"]]:
        """Yield the frames as pixels."""
        yield from map(draw, self.scenes)


def clip(seed: int, index: int, options: ClipOptions) -> Clip:
    """Return the clip of an index."""
    luck, side = random.Random(f"{seed}/clip {index}"), options.size_px
    thing = Thing(
        shape=pick(luck, SHAPES), colour=pick(luck, tuple(COLOURS)), size="medium", texture="plain", cell=(1, 1),
        centre=(side // 2, side // 2), radius=round(_RADIUS * side, 3), turn=0.0,
    )  # fmt: skip
    designer = pick(luck, ("flat", "ink"))
    fewest, most = options.events
    able = [what for what in EVENTS if what != "turn" or thing.shape not in _ROUND]
    chosen = shuffled(luck, able)[: fewest + int(luck.random() * (most - fewest + 1))]
    scenes, events = list[Scene](), list[Event]()
    said = GRAMMARS["en"].a(full(thing).only(["colour"]))
    for what in chosen:
        events.append(Event(what=what, first=len(scenes), frames=options.frames, text=f"{said} {EVENTS[what]}"))
        for frame in range(options.frames):
            now = _after(thing, what, frame / (options.frames - 1), side)
            gone = what == "blink" and frame % 4 >= 2
            scenes.append(Scene(things=() if gone else (now,), designer=designer, size_px=side, grid=3))
        thing = now
    return Clip(scenes=tuple(scenes), events=tuple(events), fps=options.fps)


def write_clips(folder: Path, count: int, seed: int, options: ClipOptions) -> int:
    """Write a folder of frames for each clip, and spans.csv; return how many spans. DataError unless the folder is empty."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise DataError(f"{folder} is not empty, and clips are written over nothing. Give a new folder.")
    rows = []
    for index in range(count):
        one, name = clip(seed, index, options), f"clip-{index:05d}"
        (folder / name).mkdir()
        for number, frame in enumerate(one.frames()):
            (folder / name / f"{number:04d}.png").write_bytes(png(frame))
        for event in one.events:
            ends = event.first + event.frames
            rows.append([name, event.first / one.fps, ends / one.fps, event.text, one.fps, event.what, LICENCE])
    with (folder / "spans.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["clip", "t0", "t1", "text", "fps", "label", "licence"], *rows])
    return len(rows)


def _after(thing: Thing, what: str, share: float, side: int) -> Thing:
    """Return the thing when that share of the event is over; a fifth of the side is how far it moves."""
    if what in _WAYS:
        way = _WAYS[what]
        x, y = (round(at + share * 0.2 * side * step) for at, step in zip(thing.centre, way, strict=True))
        return replace(thing, centre=(x, y))
    if what == "turn":
        return replace(thing, turn=round(thing.turn + share * _DEGREES, 2))
    if what in ("grow", "shrink"):
        return replace(thing, radius=round(thing.radius * (1.6 if what == "grow" else 0.6) ** share, 2))
    return thing


def main() -> None:
    """Write clips where asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=60, help="clips (60)")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    spans = write_clips(asked.folder, asked.count, asked.seed, ClipOptions())
    print(f"{asked.count} clips with {spans} spans; train on them by: diptych run --data {asked.folder}")


if __name__ == "__main__":
    main()
