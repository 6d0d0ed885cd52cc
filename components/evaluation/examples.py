"""examples.png of a model: a few texts, each with the pictures it finds; a green frame is around what the text names.

Axes: N pictures, D shared width, Q texts.
"""

import io
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont

from components.data.transforms.preprocess import Preprocess

SIDE, FRAME, GAP, MARGIN, LABEL = 72, 4, 10, 16, 230  # pixels
HEAD, CELL = 34, SIDE + 2 * FRAME + GAP
INK, MUTED, RIGHT, WRONG, PAPER = "#1b1f24", "#57606a", "#1a7f37", "#e4e8ec", "#ffffff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A picture that was found: its encoded bytes, and whether it shows what the text says."""

    picture: bytes
    right: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A text and its nearest pictures, nearest first."""

    text: str
    shown: tuple[Shown, ...]


def nearest_pictures(
    embed: Callable[[Sequence[str]], Float[np.ndarray, "Q D"]],
    names: Sequence[str],
    concepts: Sequence[str],
    pictures: Sequence[bytes],
    embeddings: Float[np.ndarray, "N D"],
    texts: int = 8,
    each: int = 6,
) -> list[Example]:
    """Return a few names, evenly spread over the alphabet, with the pictures nearest to each.

    Args:
        embed: texts to unit rows.
        names: what each picture is called; the texts are picked among them.
        concepts: what each shows; a picture is right for a text that is the name of some picture of its concept.
        embeddings: unit rows of the pictures.
        texts: how many names, at most.
        each: how many pictures for each, at most.
    """
    distinct = sorted(set(names))
    count = min(texts, len(distinct))
    picked = [distinct[(2 * place + 1) * len(distinct) // (2 * count)] for place in range(count)]
    order = (-(embed(picked) @ embeddings.T)).argsort(1, kind="stable")[:, :each]
    meant = {text: {concept for name, concept in zip(names, concepts, strict=True) if name == text} for text in picked}
    return [
        Example(text=text, shown=tuple(Shown(picture=pictures[i], right=concepts[i] in meant[text]) for i in row))
        for text, row in zip(picked, order, strict=True)
    ]


def draw(examples: Sequence[Example], title: str) -> bytes:
    """Return the grid as PNG: a row an example, a green frame around what is right and a grey one around the rest."""
    columns = max(len(example.shown) for example in examples)
    sheet = Image.new("RGB", (2 * MARGIN + LABEL + columns * CELL, 2 * MARGIN + HEAD + len(examples) * CELL), PAPER)
    pen, preprocess = ImageDraw.Draw(sheet), Preprocess(size=SIDE)
    small, large = ImageFont.load_default(14), ImageFont.load_default(17)
    pen.text((MARGIN, MARGIN), _fitted(title, small, sheet.width - 2 * MARGIN), MUTED, small)
    for row, example in enumerate(examples):
        top = MARGIN + HEAD + row * CELL
        pen.text((MARGIN, top + CELL / 2), _fitted(example.text, large, LABEL - GAP), INK, large, anchor="lm")
        for column, shown in enumerate(example.shown):
            left = MARGIN + LABEL + column * CELL
            pen.rectangle(
                (left, top, left + SIDE + 2 * FRAME - 1, top + SIDE + 2 * FRAME - 1), RIGHT if shown.right else WRONG
            )
            picture = Image.fromarray(preprocess(shown.picture).transpose(1, 2, 0))
            sheet.paste(picture, (left + FRAME, top + FRAME))
    file = io.BytesIO()
    sheet.quantize(128).save(file, "PNG", optimize=True)  # a third of the bytes, and the eye sees no difference
    return file.getvalue()


def _fitted(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """Return the text, cut with an ellipsis where it is wider than `width` pixels."""
    # Pillow's own font has few accents, and a letter without its accent is better than a box.
    text = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"
