"""The queries that say most of a model: what it got best, typically and worst, by the rows that evaluate wrote."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.contracts.errors import DataError

BANDS = ("best", "typical", "worst")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One query with what was said to it.

    Args:
        name: the text that was asked for, or that the picture is called.
        picture: encoded bytes of the picture that was asked about, or that the text names.
        said: what came first instead, a text or encoded bytes; None where the first answer was right.
        rank: of the best right answer, from 1.
        of: answers there were.
    """

    name: str
    picture: bytes
    said: str | bytes | None
    rank: int
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """The pictures of a pool by key, with their captions.

    Args:
        pictures: key -> encoded bytes.
        captions: key -> texts.
    """

    pictures: Mapping[str, bytes]
    captions: Mapping[str, Sequence[str]]

    def called(self, text: str) -> bytes:
        """Return the first picture that has this caption; KeyError when none has."""
        for key, texts in self.captions.items():
            if text in texts:
                return self.pictures[key]
        raise KeyError(text)


def pick(rows: Sequence[Mapping[str, Any]], each: int) -> dict[str, list[Mapping[str, Any]]]:
    """Return band -> rows of one direction: the first, the middle and the last of all, by rank and then by score.

    No row is in two bands, so of fewer than three times `each` queries every band gets fewer.
    """
    each = min(each, -(-len(rows) // 3))
    ordered = sorted(rows, key=lambda row: (row["rank"], -row["first_score"], row["query"]))
    best, rest = ordered[:each], ordered[each:]
    worst, rest = rest[::-1][:each], rest[: max(0, len(rest) - each)]
    start = max(0, len(rest) - each) // 2
    return dict(zip(BANDS, (best, rest[start : start + each], worst), strict=True))


def cases(rows: Sequence[Mapping[str, Any]], pool: Pictures, each: int = 5) -> dict[str, dict[str, list[Case]]]:
    """Return direction -> band -> cases.

    Args:
        rows: of one split, as rows/retrieval.<split>.parquet has them.
        pool: the pictures of that split.
        each: cases a band.

    Raises DataError when a row names a picture that the pool has not.
    """
    texts = {text for said in pool.captions.values() for text in said}
    found: dict[str, dict[str, list[Case]]] = {}
    try:
        for direction in dict.fromkeys(row["direction"] for row in rows):
            picked = pick([row for row in rows if row["direction"] == direction], each)
            of_picture = direction == "image_to_text"
            of = len(texts) if of_picture else len(pool.pictures)
            found[direction] = {
                band: [(_of_picture if of_picture else _of_text)(row, pool, of) for row in chosen]
                for band, chosen in picked.items()
            }
    except KeyError as err:
        raise DataError(
            f"the rows of evaluate name {err}, which the pool does not have: they are of other data. Evaluate again: dvc repro"
        ) from err
    return found


def _of_picture(row: Mapping[str, Any], pool: Pictures, of: int) -> Case:
    key = row["query"]
    return Case(
        name=pool.captions[key][0], picture=pool.pictures[key], said=None if row["first_right"] else row["first"],
        rank=row["rank"], of=of,
    )  # fmt: skip


def _of_text(row: Mapping[str, Any], pool: Pictures, of: int) -> Case:
    text, first = row["query"], pool.pictures[row["first"]]
    return Case(
        name=text, picture=first if row["first_right"] else pool.called(text),
        said=None if row["first_right"] else first, rank=row["rank"], of=of,
    )  # fmt: skip
