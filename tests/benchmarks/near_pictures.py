"""Pictures with planted copies: what tools that look for near-duplicates are scored on.

Originals are drawn (tests/defects.py), no two alike, all JPEGs; a third of them have one copy of each kind. Beside them stand hard ones,
which are no copies: the same drawing in other colours, and mirrored.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageEnhance, ImageFilter

from tests.defects import drawn, jpeg, saved

KINDS: Mapping[str, Callable[[Image.Image], bytes]] = {
    "the same bytes": jpeg,
    "PNG": lambda picture: saved(Image.open(io.BytesIO(jpeg(picture))), "PNG"),
    "JPEG of quality 40": lambda picture: jpeg(picture, quality=40),
    "three quarters of the size": lambda picture: jpeg(_sized(picture, 0.75)),
    "half of the size": lambda picture: jpeg(_sized(picture, 0.5)),
    "6% brighter": lambda picture: jpeg(ImageEnhance.Brightness(picture).enhance(1.06)),
    "blurred a little": lambda picture: jpeg(picture.filter(ImageFilter.GaussianBlur(1))),
}
HARD: Mapping[str, Callable[[Image.Image], bytes]] = {
    "in other colours": lambda picture: jpeg(Image.merge("RGB", picture.split()[1:] + picture.split()[:1])),
    "mirrored": lambda picture: jpeg(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
}
_EVERY = 3  # original has copies


def plant(folder: Path, originals: int) -> dict[str, tuple[str, int]]:
    """Write them, and return name -> what it is (empty for an original) and the number of its original; each hard one is one of its own."""
    folder.mkdir(parents=True)
    truth: dict[str, tuple[str, int]] = {}

    def put(data: bytes, kind: str, group: int) -> None:
        name = f"{len(truth):06d}.{'png' if kind == 'PNG' else 'jpg'}"
        (folder / name).write_bytes(data)
        truth[name] = (kind, group)

    for number in range(originals):
        picture = drawn(number)
        put(jpeg(picture), "", number)
        for kind, make in KINDS.items() if number % _EVERY == 0 else ():
            put(make(picture), kind, number)
        for place, (kind, make) in enumerate(HARD.items() if number % _EVERY == 1 else ()):
            put(make(picture), kind, originals * (place + 1) + number)
    return truth


def score(removed: Sequence[str], truth: Mapping[str, tuple[str, int]]) -> dict[str, object]:
    """Return how much of what should go went, and how much of what went should: of each original with its copies one stays, whichever."""
    gone = set(removed)
    sizes: dict[int, int] = {}
    went: dict[int, int] = {}
    for name, (_, group) in truth.items():
        sizes[group] = sizes.get(group, 0) + 1
        went[group] = went.get(group, 0) + (name in gone)
    should = sum(size - 1 for size in sizes.values())
    right = sum(min(went[group], size - 1) for group, size in sizes.items())
    wrong = {
        kind or "an original": sum(name in gone for name, its in truth.items() if its[0] == kind and sizes[its[1]] == 1)
        for kind in ("", *HARD)
    }
    left = {
        kind: sum(name not in gone for name, its in truth.items() if its[0] == kind and went[its[1]] < sizes[its[1]] - 1) for kind in KINDS
    }  # fmt: skip
    return {
        "precision": round(right / max(1, len(gone)), 4), "recall": round(right / should, 4), "removed": len(gone), "planted": should,
        "wrong": {kind: count for kind, count in wrong.items() if count}, "left": {kind: count for kind, count in left.items() if count},
    }  # fmt: skip


def _sized(picture: Image.Image, share: float) -> Image.Image:
    return picture.resize((round(picture.width * share), round(picture.height * share)), Image.Resampling.LANCZOS)
