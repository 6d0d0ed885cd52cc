"""Coloured squares with captions, and the real recipe `clip` at `debug` for them: enough to see a tiny CLIP learn."""

import io
import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from components.contracts.method import Method
from components.contracts.sample import Region
from components.curation.ops.link import places
from components.data.masks import pack
from components.data.selection import Pool
from components.data.tokenizers import Vocabulary
from components.methods.clip import Clip
from components.recipes.recipe import load_recipe, overlay
from components.recipes.section import build

REPOSITORY = Path(__file__).parents[1]
COLOURS = {
    "red": (220, 30, 30),
    "green": (30, 180, 60),
    "blue": (40, 60, 220),
    "black": (10, 10, 10),
    "pink": (250, 120, 190),
}
PLACES = {"left": (0, 0), "right": (0, 16), "low": (16, 8), "high": (0, 8), "middle": (8, 8)}
SIDE = 32  # pixels


def square_pool(kinds: tuple[str, ...] = ("short",)) -> Pool:
    """Every colour in every place, in two sizes by two designers, on nothing; grouped by colour, then by place; each is a region.

    Each has its name as caption, once for each of the kinds.
    """
    names, pictures, sources, groups, regions = [], [], [], [], []
    for (colour, rgb), (place, (top, left)), size in itertools.product(COLOURS.items(), PLACES.items(), (12, 16)):
        picture = Image.new("RGBA", (SIDE, SIDE))
        picture.paste((*rgb, 255), (left, top, left + size, top + size))
        names.append(f"a {colour} square at the {place}")
        pictures.append(png(picture))
        sources.append(f"size-{size}")
        groups.append({"category": colour, "subcategory": place})
        mask = np.zeros((SIDE, SIDE), np.bool_)
        mask[top : top + size, left : left + size] = True
        box = (left / SIDE, top / SIDE, (left + size) / SIDE, (top + size) / SIDE)
        regions.append(
            (Region(box=box, label="square", text=f"the {colour} square", of_px=(SIDE, SIDE), mask=pack(mask)),)
        )
    return Pool(
        keys=tuple(f"square-{number:02d}" for number in range(len(names))),
        pictures=tuple(pictures),
        captions=tuple((name,) * len(kinds) for name in names),
        concepts=tuple(names),
        sources=tuple(sources),
        groups=tuple(groups),
        regions=tuple(regions),
        kinds=(kinds,) * len(names),
        languages=(("en",) * len(kinds),) * len(names),
    )


def told_at_length(pool: Pool) -> Pool:
    """Return the same with two captions each: the name, as `alt`, and three sentences about it, as `long`."""
    captions = []
    for (name,), source, group in zip(pool.captions, pool.sources, pool.groups, strict=True):
        colour, place, size = group["category"], group["subcategory"], source.removeprefix("size-")
        captions.append((name, f"There is a {colour} square. It is at the {place}. Its sides have {size} pixels."))
    return replace(pool, captions=tuple(captions), kinds=(("alt", "long"),) * len(captions))


def linked(pool: Pool) -> Pool:
    """Return the same with the places of the things that its captions name, as curation's step Link finds them."""
    found = (tuple(tuple(places(text, ["square"])) for text in own) for own in pool.captions)
    return replace(pool, mentions=tuple(found))


def clustered(pool: Pool) -> Pool:
    """Return the same with two clusters a picture, of which its colour is one and its place the other."""
    names = [*COLOURS, *PLACES]
    found = ((names.index(group["category"]), names.index(group["subcategory"])) for group in pool.groups)
    return replace(pool, clusters=tuple(found))


def png(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """Return the encoded bytes."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def described_at_debug(vocabulary: Vocabulary, recipe: str = "clip") -> dict[str, Any]:
    """Return the model of the recipe at `debug`, with the vocabulary's sizes, as pretrain lays them in."""
    sized = {"init_args": {"text": {"init_args": {"vocabulary": len(vocabulary), "context": vocabulary.context}}}}
    return overlay(load_recipe(REPOSITORY, recipe, "debug").model, sized)


def method_at_debug(vocabulary: Vocabulary, recipe: str, seed: int = 0) -> Method:
    """Build the method of the recipe, its weights drawn from the seed."""
    described = load_recipe(REPOSITORY, recipe, "debug").method
    torch.manual_seed(seed)
    return build(overlay(described, {"init_args": {"model": described_at_debug(vocabulary, recipe)}}), Method)


def clip_at_debug(vocabulary: Vocabulary, seed: int = 0) -> Clip:
    """Build the method of the recipe `clip`."""
    method = method_at_debug(vocabulary, "clip", seed)
    assert isinstance(method, Clip)
    return method
