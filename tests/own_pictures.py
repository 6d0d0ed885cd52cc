"""A person's own pictures, made for a test: shapes in colours, each told from the others by what is said of it."""

import csv
import itertools
import json
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

COLOURS = ("red", "orange", "gold", "green", "teal", "blue", "purple", "pink", "brown", "black")
SHAPES = ("circle", "square", "triangle")
PLACES = ("left", "right", "top", "bottom", "middle")
KINDS = tuple(
    itertools.product(("white", "grey", "cream", "blue"), ("small", "middling", "large"), PLACES, COLOURS, SHAPES)
)
_TOWARDS = {"left": (0.05, 0.5), "right": (0.95, 0.5), "top": (0.5, 0.05), "bottom": (0.5, 0.95), "middle": (0.5, 0.5)}
_AT = {"left": (0.05, 0.3), "right": (0.55, 0.3), "top": (0.3, 0.05), "bottom": (0.3, 0.55), "middle": (0.3, 0.3)}


def paint(folder: Path, count: int, side: int = 40, suffix: str = "png") -> dict[str, tuple[str, str]]:
    """Write `count` different pictures and return file name -> (caption, shape)."""
    folder.mkdir(parents=True, exist_ok=True)
    said = {}
    kinds = itertools.product(range(1 + count // 150), PLACES, COLOURS, SHAPES)
    for number, (round_, place, colour, shape) in zip(range(count), kinds, strict=False):
        picture = Image.new("RGB", (side, side), (255 - 9 * round_ % 90, 250, 245))
        pen, (x, y) = ImageDraw.Draw(picture), (int(side * at) for at in _AT[place])
        box = (x, y, x + side * 2 // 5, y + side * 2 // 5)
        if shape == "circle":
            pen.ellipse(box, fill=colour)
        elif shape == "square":
            pen.rectangle(box, fill=colour)
        else:
            pen.polygon([(box[0], box[3]), (box[2], box[3]), ((box[0] + box[2]) // 2, box[1])], fill=colour)
        picture.putpixel((number % side, number // side % side), (1, 2, 3))
        name = f"{number:04d}.{suffix}"
        picture.save(folder / name)
        said[name] = (f"a {colour} {shape} at the {place}" + (f", take {round_ + 1}" if round_ else ""), shape)
    return said


SIZES = {"small": 0.25, "middling": 0.4, "large": 0.55}  # of the side
PAPERS = {"white": (252, 252, 252), "grey": (200, 200, 200), "cream": (255, 236, 190), "blue": (190, 214, 246)}


def paint_kinds(folder: Path, places: Sequence[int], side: int = 72) -> dict[str, str]:
    """Write pictures each of which is a kind of its own, by its place among all KINDS, and return file name -> caption."""
    folder.mkdir(parents=True, exist_ok=True)
    said = {}
    for number in places:
        paper, size, place, colour, shape = KINDS[number]
        picture = Image.new("RGB", (side, side), PAPERS[paper])
        pen, reach = ImageDraw.Draw(picture), int(side * SIZES[size])
        x, y = (int((side - reach) * at) for at in _TOWARDS[place])
        box = (x, y, x + reach, y + reach)
        if shape == "circle":
            pen.ellipse(box, fill=colour)
        elif shape == "square":
            pen.rectangle(box, fill=colour)
        else:
            pen.polygon([(box[0], box[3]), (box[2], box[3]), ((box[0] + box[2]) // 2, box[1])], fill=colour)
        name = f"{number:04d}.png"
        picture.save(folder / name)
        said[name] = f"a {size} {colour} {shape} at the {place} on {paper}"
    return said


def write_table(path: Path, said: dict[str, tuple[str, str]], label: str | None = None) -> Path:
    """Write image,caption (and the shape in a column `label`) as a csv."""
    with path.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow(["image", "caption", *([label] if label else [])])
        for name, (caption, shape) in said.items():
            writer.writerow([name, caption, *([shape] if label else [])])
    return path


def write_texts(folder: Path, said: dict[str, tuple[str, str]]) -> None:
    """Write each caption into a .txt beside its picture."""
    for name, (caption, _) in said.items():
        (folder / name).with_suffix(".txt").write_text(caption, encoding="utf-8")


def write_coco(path: Path, said: dict[str, tuple[str, str]], **also: object) -> dict[str, list[dict[str, object]]]:
    """Write images and annotations as COCO's captions_*.json has them, two captions a picture, and return it."""
    images = [{"id": 10 + number, "file_name": name, "license": 1} for number, name in enumerate(said)]
    annotations = [
        {"id": 2 * number + turn, "image_id": 10 + number, "caption": f"{caption}{', again' * turn}"}
        for turn in range(2)
        for number, (caption, _) in enumerate(said.values())
    ]
    whole = {"info": {"year": 2017}, "images": images, "annotations": annotations, **also}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(whole), encoding="utf-8")
    return whole


def write_clips(folder: Path, said: dict[str, tuple[str, str]], frames: int = 3) -> list[dict[str, object]]:
    """Write each picture as the middle one of a clip of `frames` at 2 a second, and spans.csv; return its rows."""
    rows: list[dict[str, object]] = []
    for number, (name, (caption, _)) in enumerate(said.items()):
        clip = folder / f"clip{number:02d}"
        clip.mkdir()
        with Image.open(folder / name) as picture:
            for frame in range(1, frames + 1):
                pale = Image.blend(picture, Image.new("RGB", picture.size), abs(frames // 2 + 1 - frame) / 50)
                pale.save(clip / f"{frame:06d}.png")
        rows.append({"clip": clip.name, "t0": 0, "t1": frames / 2, "text": caption, "fps": 2})
    write_spans(folder, rows)
    return rows


def write_spans(folder: Path, rows: list[dict[str, object]]) -> None:
    """Write spans.csv."""
    with (folder / "spans.csv").open("w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_croissant(path: Path, table: str, **also: object) -> dict[str, object]:
    """Write a description of the pictures beside it, joined by file name to a table image,caption, and return it."""
    files = [
        {"@type": "cr:FileObject", "@id": "table", "contentUrl": table, "encodingFormat": "text/csv"},
        {"@type": "cr:FileSet", "@id": "files", "includes": "*.png", "encodingFormat": "image/png"},
    ]
    fields = [
        {"@id": "all/picture", "dataType": "sc:ImageObject", "source": {"fileSet": {"@id": "files"}, "extract": {"fileProperty": "content"}}},
        {"@id": "all/file", "dataType": "sc:Text", "source": {"fileSet": {"@id": "files"}, "extract": {"fileProperty": "filename"}},
         "references": {"fileObject": {"@id": "table"}, "extract": {"column": "image"}}},
        {"@id": "all/caption", "dataType": "sc:Text", "source": {"fileObject": {"@id": "table"}, "extract": {"column": "caption"}}},
    ]  # fmt: skip
    whole = {
        "@type": "sc:Dataset", "conformsTo": "http://mlcommons.org/croissant/1.1", "distribution": files,
        "recordSet": [{"@type": "cr:RecordSet", "@id": "all", "field": fields}], **also,
    }  # fmt: skip
    path.write_text(json.dumps(whole), encoding="utf-8")
    return whole
