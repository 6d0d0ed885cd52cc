"""Of which kind of pictures more would help most: what a model misses oftenest of what it was asked, by label or by the words of captions.

Source: Wilson 1927 (the lower end of his interval orders kinds, so that two missed of two do not go before eighty of a hundred).
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

FEWEST = 3  # pictures of a kind, below which nothing is said of it
Z = NormalDist().inv_cdf(0.95)
WORD = re.compile(r"\w{3,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A kind of pictures.

    Args:
        kind: a label, or a word of captions.
        missed: of them.
        asked: of them.
    """

    kind: str
    missed: int
    asked: int


def wanted(kinds: Sequence[Sequence[str]], missed: Sequence[bool]) -> Wanted | None:
    """Return the kind that is missed oftenest, clearly oftener than all together; None where there is none.

    Args:
        kinds: of each picture that was asked about.
        missed: whether its first answer was wrong.
    """
    asked = Counter(kind for its in kinds for kind in set(its))
    wrong = Counter(kind for its, failed in zip(kinds, missed, strict=True) if failed for kind in set(its))
    known = {kind: lower(wrong[kind], count) for kind, count in asked.items() if FEWEST <= count < len(kinds)}
    if not known:
        return None
    best = max(known, key=lambda kind: (known[kind], asked[kind], kind))
    if wrong[best] * len(kinds) <= sum(missed) * asked[best]:
        return None
    return Wanted(kind=best, missed=wrong[best], asked=asked[best])


def of_labels(rows: Iterable[Mapping[str, Any]], asked_by: str) -> Wanted | None:
    """Return it of rows of `zero_shot`, by the labels of the set that is called so."""
    asked = [row for row in rows if row["set"] == asked_by]
    return wanted([(row["label"],) for row in asked], [row["rank"] > 1 for row in asked])


def of_captions(rows: Iterable[Mapping[str, Any]], kinds: Mapping[str, tuple[str, ...]]) -> Wanted | None:
    """Return it of rows of `retrieval`, by the kinds of each picture that was shown."""
    asked = [row for row in rows if row["direction"] == "image_to_text" and row["query"] in kinds]
    return wanted([kinds[row["query"]] for row in asked], [row["rank"] > 1 for row in asked])


def lower(wrong: int, of: int) -> float:
    """Return the lower end of Wilson's interval, one-sided at 95%, of a share."""
    share, square = wrong / of, Z * Z
    middle = share + square / (2 * of)
    spread = Z * (share * (1 - share) / of + square / (4 * of * of)) ** 0.5
    return (middle - spread) / (1 + square / of)


def kinds_of(
    keys: Sequence[str], captions: Sequence[Sequence[str]], labels: Sequence[str | None]
) -> Mapping[str, tuple[str, ...]]:
    """Return key -> kinds: its label where labels tell pictures apart, else the words of its captions, of three letters and more."""
    if len({label for label in labels if label is not None}) > 1:
        return {key: (label,) if label is not None else () for key, label in zip(keys, labels, strict=True)}
    return {
        key: tuple(dict.fromkeys(word.lower() for text in texts for word in WORD.findall(text)))
        for key, texts in zip(keys, captions, strict=True)
    }
