"""Texts as they are typed in haste, at three strengths.

Source: Pruthi et al. 2019, arXiv:1905.11268, section 2 (letters swapped, dropped and added), and Belinkov and Bisk 2018, arXiv:1711.02173. Differs: any letter
may be hit, the first and the last of a word too, as names are short; a letter that is added is one of the text's own, so that no keyboard and no script has
to be known, and a doubled one stands in place of a neighbour on the keyboard. What is drawn depends on the text and not on the strength.
"""

import math
from collections.abc import Mapping

import numpy as np

STRENGTHS: Mapping[int, float] = {1: 0.1, 2: 0.2, 3: 0.3}
"""Strength -> share of the letters that are hit, one at least."""

TYPOS = ("swap", "drop", "insert", "double")


def mistyped(text: str, typo: str, strength: int, seed: int) -> str:
    """Return the text with typos of one kind, the same for the same arguments; one that has nothing to change comes back as it is.

    Args:
        typo: `swap`, two letters of a word that differ change places; `drop`, one is missing, though never the last that is left; `insert`, one
            of the text's letters stands behind one too many; `double`, one stands twice. ValueError for others.
        strength: 1, 2 or 3.
        seed: of what is drawn, not below 0.
    """
    if typo not in TYPOS:
        raise ValueError(f"{typo!r} is no typo. Name one of {', '.join(TYPOS)}.")
    places = [place for place, letter in enumerate(text) if letter.isalpha()]
    count = math.ceil(STRENGTHS[strength] * len(places))
    draw = np.random.default_rng((seed, *f"{typo} {text}".encode()))
    order = [places[one] for one in draw.permutation(len(places))]
    more = [text[places[one]] for one in draw.integers(0, max(1, len(places)), len(places))]
    letters = list(text)
    if typo == "swap":
        for place in _apart([one for one in order if _can_swap(text, one)])[:count]:
            letters[place : place + 2] = letters[place + 1], letters[place]
    elif typo == "drop":
        for place in order[: min(count, len(places) - 1)]:
            letters[place] = ""
    else:
        for place, letter in zip(order[:count], more, strict=False):
            letters[place] += letter if typo == "insert" else text[place]
    return "".join(letters)


def _can_swap(text: str, place: int) -> bool:
    after = text[place + 1 : place + 2]
    return after.isalpha() and after != text[place]


def _apart(places: list[int]) -> list[int]:
    """Return those of which no two are neighbours, earlier ones first: a letter changes its place once."""
    kept: list[int] = []
    for place in places:
        if all(abs(place - other) > 1 for other in kept):
            kept.append(place)
    return kept
