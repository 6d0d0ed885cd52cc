"""One document: its pictures and texts in the order of the page, and which words belong to which picture.

Rows of two layouts are read. OBELICS and WebMath: two lists as long as each other, at each place a picture or a text.
MMC4: a list of texts, and pictures of which each names its text.
Source: Laurencon et al. 2023, arXiv:2306.16527 (OBELICS); Zhu et al. 2023, arXiv:2304.06939 (MMC4).
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from components.data.sentences import sentences
from components.data.sources.columns import FLAGS, NAMES
from components.data.sources.rows import texts_of

TEXTS = ("texts", "text_list")
IMAGES = ("images", "image_list", "image_info")
IDS = ("id", "doc_id", "document_id", "url", "URL")
LICENCES = ("licence", "license")
LANGS = ("lang", "language")
COLUMNS = (*TEXTS, *IMAGES, *IDS, *LICENCES, *LANGS, *NAMES["consent"], *NAMES["health"])
_URLS = ("raw_url", "url")
_HELD = ("bytes", "image_name", "path", *_URLS)  # what an entry of a picture may have, the best first

Side = Literal["after", "before"]


class BadDocument(ValueError):
    """The row is no document; the message says what does not fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One picture of a document.

    Args:
        place: in the document, from 0; where pictures name their texts, in the list of pictures.
        held: its path or URL, or its bytes.
        url: where it is fetched from when there is no file of that path; empty where nothing is said.
        text: place of the text that it names, None where pictures name none.
        fault: reason code and sentence, where it can be no picture.
    """

    place: int
    held: str | bytes = field(default="", repr=False)
    url: str = ""
    text: int | None = None
    fault: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The pictures and texts of one row.

    Args:
        texts: place -> words; where pictures name their texts, in the list of texts.
        pictures: in their order.
        id: what the row is called, None where it does not say.
        licence: SPDX identifier, None where the row states none.
        lang: ISO 639-1 code, None where the row states none.
        flags: as of Sample.
    """

    texts: Mapping[int, str]
    pictures: tuple[Picture, ...]
    id: str | None = None
    licence: str | None = None
    lang: str | None = None
    flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def has_lists(names: Sequence[str]) -> bool:
    """Return whether these columns are those of documents."""
    return any(one in names for one in TEXTS) and any(one in names for one in IMAGES)


def read_document(row: Mapping[str, Any]) -> Document:
    """Return the document of a row. BadDocument when its lists are missing, or do not fit together."""
    texts, images = _the_list(row, TEXTS), _the_list(row, IMAGES)
    for place, text in enumerate(texts):
        if not isinstance(text, str | None):
            raise BadDocument(f"text {place} is of type {type(text).__name__}; a text or null is wanted")
    said = {place: found[0] for place, text in enumerate(texts) if (found := texts_of(text))}
    if any(isinstance(one, Mapping) and "matched_text_index" in one for one in images):
        pictures = [_matched(place, one, len(texts)) for place, one in enumerate(images)]
    else:
        pictures = _in_turn(texts, images)
    return Document(
        texts=said,
        pictures=tuple(pictures),
        id=_first(row, IDS),
        licence=_first(row, LICENCES),
        lang=_first(row, LANGS),
        flags={
            one: words
            for one in FLAGS
            if (words := tuple(word for name in NAMES[one] for word in texts_of(row.get(name))))
        },
    )


def nearest(document: Document, picture: Picture, side: Side) -> int | None:
    """Return the place of a picture's text: the one it names, else the nearest; None where there is none.

    `side` says which of two texts that stand as near is taken.
    """
    if picture.text is not None:
        return picture.text if picture.text in document.texts else None
    return min(
        document.texts,
        key=lambda at: (abs(at - picture.place), (at > picture.place) != (side == "after")),
        default=None,
    )


def shortened(text: str, characters: int, first: bool) -> str:
    """Return the first, or the last, whole sentences of a text that fit; where none does, the words that fit."""
    if len(text) <= characters:
        return text
    edge = text[:characters] if first else text[-characters:]  # of a text without a space
    return _that_fit(sentences(text), characters, first) or _that_fit(text.split(), characters, first) or edge


def _that_fit(parts: Sequence[str], characters: int, first: bool) -> str:
    taken: list[str] = []
    left = characters
    for part in parts if first else reversed(parts):
        left -= len(part) + bool(taken)
        if left < 0:
            break
        taken.append(part)
    return " ".join(taken if first else reversed(taken))


def _the_list(row: Mapping[str, Any], names: Sequence[str]) -> list[Any]:
    there = [name for name in names if row.get(name) is not None]
    if len(there) != 1:
        raise BadDocument(f"it has {' and '.join(there) or 'no list'} where one of {', '.join(names)} is wanted")
    found = row[there[0]]
    if not isinstance(found, list):
        raise BadDocument(f"{there[0]} is of type {type(found).__name__}; a list is wanted")
    return found


def _in_turn(texts: Sequence[Any], images: Sequence[Any]) -> list[Picture]:
    """Return the pictures of two lists of which one has null where the other has none."""
    if len(texts) != len(images):
        raise BadDocument(
            f"it has {len(texts)} texts and {len(images)} pictures; the lists must be as long as each other"
        )
    pictures = []
    for place, (text, image) in enumerate(zip(texts, images, strict=True)):
        if texts_of(text) and image:
            raise BadDocument(f"a picture and a text both stand at place {place}, so nobody knows which comes first")
        if image:  # some write "" for null
            pictures.append(_picture(place, image))
        elif text is None:
            fault = ("no_picture", f"neither a picture nor a text stands at place {place}")
            pictures.append(Picture(place=place, fault=fault))
    return pictures


def _matched(place: int, one: Any, texts: int) -> Picture:
    """Return a picture that names its text."""
    index = one.get("matched_text_index") if isinstance(one, Mapping) else None
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < texts:
        fault = ("bad_document", f"its matched_text_index is {index!r}, and the document has {texts} texts, from 0")
        return Picture(place=place, fault=fault)
    return _picture(place, one, index)


def _picture(place: int, one: Any, text: int | None = None) -> Picture:
    """Return a picture by its path, its bytes, its base64, or an entry that has one of these."""
    held = one
    if isinstance(one, Mapping):
        held = next((one[name] for name in _HELD if one.get(name) is not None), None)
        if isinstance(one.get("image_base64"), str):
            try:
                held = base64.b64decode(one["image_base64"], validate=True)
            except (binascii.Error, ValueError) as err:
                return Picture(place=place, fault=("bad_document", f"its image_base64 is none: {err}"))
    if not isinstance(held, str | bytes):
        there = (
            f"an entry with {', '.join(map(str, one)) or 'nothing'}" if isinstance(one, Mapping) else type(one).__name__
        )
        return Picture(place=place, fault=("no_picture", f"a path, or bytes, are wanted, and it is {there}"))
    urls = [one[name] for name in _URLS if isinstance(one.get(name), str)] if isinstance(one, Mapping) else []
    return Picture(place=place, held=held, url=next(iter(urls), ""), text=text)


def _first(row: Mapping[str, Any], names: Sequence[str]) -> str | None:
    values = (row.get(name) for name in names)
    return next((found[0] for value in values if isinstance(value, str | int) and (found := texts_of(value))), None)
