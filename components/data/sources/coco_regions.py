"""Boxes as COCO writes them: annotations with `bbox` and `category_id`, in instances_*.json beside the captions, or among them.

Source: cocodataset.org/#format-data; RefCOCO's expressions are captions with a `bbox`. Differs: what does not fit is a Reject
with its reason, where pycocotools gives it on. Boxes around crowds are no regions, and counted.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.contracts.reject import Reject
from components.contracts.sample import Region
from components.data.sources.rows import texts_of

CROWDS = "boxes around crowds"
UNLISTED = "boxes of pictures that the file of captions does not list"
ROUNDED_PX = 1  # by which an edge may lie outside: annotators' tools round so


@dataclass(slots=True, kw_only=True)
class Boxes:
    """What was found of some pictures.

    Args:
        regions: id of the picture in the file of captions -> its regions, in their order.
        rejects: boxes that can be none.
        left_out: what belongs to no region -> names.
    """

    regions: dict[Any, list[Region]] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=dict)


class _Wrong(Exception):
    """The annotation can be no region: reason code and sentence."""


def boxes_beside(captions: Path) -> Path | None:
    """Return instances_train2017.json for captions_train2017.json, where there is one."""
    path = captions.with_name(f"instances_{captions.stem.removeprefix('captions_')}.json")
    return path if path.is_file() else None


def find_boxes(
    file: Path, said: Mapping[str, Any], images: Mapping[Any, Mapping[str, Any]], own: bool, into: Boxes
) -> None:
    """Add the boxes of a file to `into`.

    Args:
        file: for names.
        said: what it holds, with lists `images` and `annotations`.
        images: id -> entry of the pictures that come in.
        own: whether these are the pictures of this very file; else they are matched by file_name.
    """
    kinds = {one.get("id"): one.get("name") for one in said.get("categories") or () if isinstance(one, Mapping)}
    listed = images if own else dict(_by_id(said["images"]))
    called = {image.get("file_name"): key for key, image in images.items()}
    for place, annotation in enumerate(said["annotations"]):
        about = annotation if isinstance(annotation, Mapping) else {}
        name = f"annotation {place} of {file.name}"
        which = about.get("image_id")
        if "bbox" not in about and own:
            continue
        if not isinstance(which, int | str) or which not in listed:
            if not own:  # else it was told of with the captions
                into.rejects.append(
                    _reject(file, place, "unknown_picture", f"its image_id is {which!r}, which no image has")
                )
            continue
        its = listed[which]
        key = which if own else called.get(its.get("file_name"))
        if key is None:
            into.left_out.setdefault(UNLISTED, []).append(name)
        elif about.get("iscrowd") == 1:
            into.left_out.setdefault(CROWDS, []).append(name)
        else:
            try:
                into.regions.setdefault(key, []).append(_region(about, {**images[key], **its}, kinds))
            except _Wrong as err:
                into.rejects.append(_reject(file, place, *err.args))


def _by_id(images: Any) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    for image in images:
        if isinstance(image, Mapping) and isinstance(image.get("id"), int | str):
            yield image["id"], image


def _region(about: Mapping[str, Any], image: Mapping[str, Any], kinds: Mapping[Any, Any]) -> Region:
    """Return the region of an annotation; _Wrong where it can be none."""
    width, height = image.get("width"), image.get("height")
    if not (isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0):
        raise _Wrong("bad_box", f"its image has width and height {width!r} and {height!r}; pixels are wanted")
    size = width, height
    said = next(iter(texts_of(about.get("caption"))), None)
    label = None
    if about.get("category_id") is not None:
        which = about["category_id"]
        label = next(iter(texts_of(kinds.get(which) if isinstance(which, int | str) else None)), None)
        if label is None:
            raise _Wrong("unknown_category", f"its category_id is {which!r}, which no category has")
    if said is None and label is None:
        raise _Wrong("bad_box", "it has neither a category_id nor a caption, so nothing says what it shows")
    return Region(box=_box(about.get("bbox"), size), label=label, text=said, of_px=size)


def _box(bbox: Any, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return left, top, right, bottom from 0 to 1, of COCO's left, top, width, height in pixels."""
    numbers = bbox if isinstance(bbox, list) else []
    if len(numbers) != 4 or not all(_is_number(one) for one in numbers):
        raise _Wrong("bad_box", f"its bbox is {str(bbox)[:80]}; left, top, width and height in pixels are wanted")
    x, y, w, h = numbers
    width, height = size
    if w <= 0 or h <= 0:
        raise _Wrong("box_empty", f"its bbox is {w:g} wide and {h:g} high, in pixels")
    if x < -ROUNDED_PX or y < -ROUNDED_PX or x + w > width + ROUNDED_PX or y + h > height + ROUNDED_PX:
        raise _Wrong(
            "box_outside",
            f"it reaches from {x:g}, {y:g} to {x + w:g}, {y + h:g}, and the picture is {width} x {height} pixels",
        )
    x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + w, width), min(y + h, height)
    if x1 - x0 < 1 or y1 - y0 < 1:
        raise _Wrong(
            "box_empty", f"of its bbox {x1 - x0:g} x {y1 - y0:g} pixels lie in the picture; one each way is the least"
        )
    return x0 / width, y0 / height, x1 / width, y1 / height


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _reject(file: Path, place: int, reason: str, detail: str) -> Reject:
    return Reject(key=f"{file.name}, annotation {place}", member=file.name, reason=reason, detail=detail)
