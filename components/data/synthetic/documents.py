"""Documents: texts and pictures in turn, with what web pages have in between, and which sentence is of which picture.

A document follows from seed, index and options alone. `python -m components.data.synthetic.documents FOLDER --count 60` writes
pictures and documents.jsonl as the source `interleaved_docs` reads them.
"""

import argparse
import json
import random
from dataclasses import dataclass, replace
from pathlib import Path

from components.contracts.errors import ConfigError, DataError
from components.data.synthetic.brush import draw, png
from components.data.synthetic.scene import Kinds, Scene, SceneOptions, compose, pick
from components.data.synthetic.writer import GRAMMARS, concept, told, write

LICENCE = "CC0-1.0"
BOILERPLATE = (
    "Home | About | Contact",
    "We use cookies to improve your experience.",
    "Subscribe to our newsletter.",
    "All rights reserved.",
    "Share this page with your friends.",
    "Read more articles like this one.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentOptions:
    """What documents are like.

    Args:
        pictures: fewest and most of them in a document.
        noise: boilerplate for each picture, in the mean; from 0.
        duplicates: share of the documents that are the one before them, but for its boilerplate.
        scene: of the pictures.
    """

    pictures: tuple[int, int] = (1, 4)
    noise: float = 1.0
    duplicates: float = 0.0
    scene: SceneOptions = SceneOptions()  # noqa: RUF009 -- frozen

    def __post_init__(self) -> None:
        fewest, most = self.pictures
        if not 1 <= fewest <= most <= 8 or not 0 <= self.noise <= 10 or not 0 <= self.duplicates < 1:
            raise ConfigError(
                f"pictures is {self.pictures}, noise {self.noise}, duplicates {self.duplicates}. Give from 1 to 8 pictures, noise "
                "from 0 to 10, and a share of duplicates below 1."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One place of a document: a text, or a picture.

    Args:
        text: of a text, None of a picture.
        scene: of a picture, None of a text.
        of: place of the picture that the text speaks of; None for boilerplate and pictures.
    """

    text: str | None = None
    scene: Scene | None = None
    of: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document.

    Args:
        parts: in their order.
        copy_of: index of the document that it is a near copy of.
    """

    parts: tuple[Part, ...]
    copy_of: int | None = None


def document(seed: int, index: int, options: DocumentOptions) -> Document:
    """Return the document of an index; a copy has the pictures and sentences of the last before it that is none."""
    original = index
    while original > 0 and _luck(seed, original, "copy").random() < options.duplicates:
        original -= 1
    luck, kinds = _luck(seed, original, "document"), Kinds.of(options.scene, seed)
    around = _luck(seed, index, "boilerplate")
    fewest, most = options.pictures
    parts = list[Part]()
    for place in range(fewest + int(luck.random() * (most - fewest + 1))):
        scene = compose(seed, 8 * original + place, options.scene, kinds)
        scene = replace(scene, designer=pick(luck, ("flat", "ink")))
        said = write("long", scene, told("long", scene, luck), GRAMMARS["en"])
        while around.random() < options.noise / (1 + options.noise):  # its mean is `noise`
            parts.append(Part(text=pick(around, BOILERPLATE)))
        at, above = len(parts), luck.random() < 0.5
        picture, text = Part(scene=scene), Part(text=said, of=at + above)
        parts += [text, picture] if above else [picture, text]
    return Document(parts=tuple(parts), copy_of=None if original == index else original)


def write_documents(folder: Path, count: int, seed: int, options: DocumentOptions) -> int:
    """Write pictures and documents.jsonl; return how many pictures. DataError unless the folder is empty.

    A document is lists `texts` and `images` of one length, null in one where the other has something.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise DataError(f"{folder} is not empty, and documents are written over nothing. Give a new folder.")
    (folder / "images").mkdir()
    written, rows = 0, []
    for index in range(count):
        names = list[str | None]()
        parts = document(seed, index, options).parts
        for place, part in enumerate(parts):
            names.append(None if part.scene is None else f"{index:05d}-{place:02d}.png")
            if part.scene is not None:
                (folder / "images" / f"{names[-1]}").write_bytes(png(draw(part.scene)))
                written += 1
        rows.append({"texts": [part.text for part in parts], "images": names, "license": LICENCE})
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (folder / "documents.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return written


def shown_in(one: Document) -> list[str]:
    """Return what each picture of a document shows, in their order."""
    return [concept(part.scene) for part in one.parts if part.scene is not None]


def _luck(seed: int, index: int, what: str) -> random.Random:
    return random.Random(f"{seed}/{what} {index}")


def main() -> None:
    """Write documents where asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=60, help="documents (60)")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    pictures = write_documents(asked.folder, asked.count, asked.seed, DocumentOptions())
    print(f"{asked.count} documents with {pictures} pictures; train on them by: diptych run --data {asked.folder}")


if __name__ == "__main__":
    main()
