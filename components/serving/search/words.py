"""Words of a text as SQLite's full-text index counts them, and a person's words as a question to it.

Scripts that put no spaces between words are taken character by character, so that a word of them is found within a sentence.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import groupby, islice

_UNSPACED = re.compile("([\u0e00-\u0e7f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff])")
"""Thai, Khmer, kana and Han."""
MAX_WORDS = 64  # of a question; a longer one says no more to BM25
LEAST_BEGUN = 2  # characters of a word that is still being typed, for it to stand for all that begin so


def spaced(text: str) -> str:
    """Return the text with spaces around each character of a script that has none."""
    return _UNSPACED.sub(r" \1 ", text)


def phrases(text: str) -> list[str]:
    """Return each word as FTS5 is asked for it, the last of which may be unfinished; none where there are no words."""
    words = list(islice(_words(spaced(text.casefold())), MAX_WORDS))
    quoted = [f'"{word}"' for word in words]
    if words and len(words[-1]) >= LEAST_BEGUN:
        quoted[-1] += "*"
    return quoted


def _words(text: str) -> Iterator[str]:
    """Yield letters and digits that stand together, with the marks above, below and behind them, without which `किताब` would be three words."""
    for of_word, letters in groupby(text, _is_of_word):
        word = "".join(letters)
        if of_word and any(letter.isalnum() or letter == "_" for letter in word):
            yield word


def _is_of_word(letter: str) -> bool:
    return letter.isalnum() or letter == "_" or unicodedata.category(letter).startswith("M")


def question(asked: Sequence[str]) -> str:
    """Return what FTS5 is asked for any of some phrases."""
    return " OR ".join(asked)
