"""Both halves of an evaluation set: one that something is chosen by, and one that nobody looks at before, which tells what the choice came to.

A number that was chosen by is no measure of the choice: it is better than it would be on other pictures (Cawley and Talbot 2010, JMLR 11, 2079). Which
picture is in which half follows from the pictures alone, so that two stages that read one set agree without a word.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, TypeVar

from components.contracts.errors import ConfigError, DataError
from components.data.rows.lazy import TakenPictures
from components.data.selection import Pool
from components.data.together import together

Half = Literal["whole", "first", "second"]
HALVES: tuple[Half, ...] = ("first", "second")
T = TypeVar("T")


def half_of(pool: Pool, half: Half) -> Pool:
    """Return the half that is asked for, or all of it; ConfigError for a half that there is not, DataError as of `halves`."""
    if half == "whole":
        return pool
    if half not in HALVES:
        raise ConfigError(f"half is {half!r}, but a set has a first one and a second one. Say first, second or whole.")
    return halves(pool)[HALVES.index(half)]


def halves(pool: Pool) -> tuple[Pool, Pool]:
    """Return two pools, each in the order of the whole.

    What shows one thing, and what is the same to the byte, is in one half. Each group has as many things in both, but for one. DataError for a set that shows
    a single thing.
    """
    shas = pool.sha256s or [hashlib.sha256(data).hexdigest() for data in pool.pictures]
    groups: Sequence[Mapping[str, str]] = pool.groups or [{} for _ in pool.keys]
    things: dict[int, list[int]] = {}
    for place, thing in enumerate(together(pool.concepts, shas)):
        things.setdefault(thing, []).append(place)
    if len(things) < 2:
        raise DataError(
            f"{len(pool):,} pictures show one thing, so none is left to tell by what another half has chosen. Bring pictures of more things."
        )
    drawn = sorted(things.values(), key=lambda its: min((sorted(groups[place].items()), shas[place]) for place in its))
    first, second = (sorted(place for its in drawn[start::2] for place in its) for start in (0, 1))
    return taken(pool, first), taken(pool, second)


def taken(pool: Pool, places: Sequence[int]) -> Pool:
    """Return some of the samples of a pool, whose pictures are read when they are asked for."""

    def of(column: tuple[T, ...]) -> tuple[T, ...]:
        return tuple(column[place] for place in places) if column else ()

    return replace(
        pool, keys=of(pool.keys), pictures=TakenPictures([(pool.pictures, place) for place in places]), captions=of(pool.captions), concepts=of(pool.concepts), sources=of(pool.sources),
        groups=of(pool.groups), sha256s=of(pool.sha256s), regions=of(pool.regions), kinds=of(pool.kinds), languages=of(pool.languages),
        mentions=of(pool.mentions), clusters=of(pool.clusters), series=of(pool.series),
    )  # fmt: skip
