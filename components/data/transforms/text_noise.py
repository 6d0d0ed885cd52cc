"""Texts with their stop words gone, a synonym put in, two words swapped or one left out; never a text without a word.

Source: Fini et al. 2023, arXiv:2305.08675 (weak and strong texts); the changes are of Wei and Zou 2019, arXiv:1901.11196. Differs: the lists
are short and ours (synonyms.py), and a change is made to a share of the words, where theirs draws for each word whether it goes.
Axes: N texts.
"""

import re
from collections.abc import Sequence

from components.contracts.text_noise import CHANGES, TextNoise
from components.data.transforms.draws import RowDraws
from components.data.transforms.synonyms import STOP_WORDS, SYNONYMS

_CORE = re.compile(r"^(\W*)(.*?)(\W*)$", re.S)  # a word between what is written before and after it
_FIRST = 2  # numbers that a text draws before those of its words, which are two each


def noised(texts: Sequence[str], noise: TextNoise, draws: RowDraws) -> list[str]:
    """Return the N texts, each changed by the numbers of its own stream, so that the others of a batch change nothing.

    Words are what blanks part. A text that would have none left stays as it is, and so does one of a language without blanks.
    """
    apart = [text.split() for text in texts]
    numbers = draws.even(_FIRST + 2 * max(map(len, apart), default=0)).tolist()
    return [_noised(text, words, noise, own) for text, words, own in zip(texts, apart, numbers, strict=True)]


def _noised(text: str, words: list[str], noise: TextNoise, numbers: list[float]) -> str:
    if numbers[0] < noise.stop_words:
        words = [word for word in words if _core(word) not in STOP_WORDS] or words
    total, reached = sum(noise.weights), 0.0
    for change, weight in zip(CHANGES, noise.weights, strict=True):
        reached += weight
        if numbers[1] * total < reached:
            words = _changed(change, words, noise.rate, numbers[_FIRST:])
            break
    return " ".join(words) or text


def _changed(change: str, words: list[str], rate: float, numbers: list[float]) -> list[str]:
    """Return the words, at least one of them changed where that can be."""
    places = sorted(range(len(words)), key=lambda place: numbers[2 * place])
    count, words = max(1, round(rate * len(words))), list(words)
    if change == "synonym":
        for place in [place for place in places if _core(words[place]) in SYNONYMS][:count]:
            words[place] = _replaced(words[place], numbers[2 * place + 1])
    elif change == "swap":
        for one, other in list(zip(places[::2], places[1::2], strict=False))[:count]:
            words[one], words[other] = words[other], words[one]
    elif change == "delete":
        gone = set(places[: min(count, len(words) - 1)])
        words = [word for place, word in enumerate(words) if place not in gone]
    return words


def _core(word: str) -> str:
    return _CORE.match(word)[2].lower()  # type: ignore[index]  # it fits every text


def _replaced(word: str, number: float) -> str:
    """Return a synonym between the same marks; a number in [0, 1) says which."""
    before, core, after = _CORE.match(word).groups()  # type: ignore[union-attr]
    others = SYNONYMS[core.lower()]
    return before + others[int(number * len(others))] + after
