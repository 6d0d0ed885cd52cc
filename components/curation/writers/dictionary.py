"""Writes words for words, by a list of what means the same.

Source: Wei, Zou 2019, arXiv:1901.11196, section 2 (synonym replacement). Differs: the words are those of a list that a person gives, not WordNet's.
"""

import random
import re
from collections.abc import Mapping, Sequence

from components.contracts.errors import ConfigError
from components.curation.phrases import Phrase
from components.curation.writers.writer import Writer

_WORD = re.compile(r"[^\W\d_]+")


class DictionaryWriter(Writer):
    """Puts another word in place of some.

    Args:
        words: word -> those that mean the same; single words, in lower case. None of them may mean two things.
        chance: of each word that stands in the list to be replaced, above 0 and up to 1.
    """

    def __init__(self, words: Mapping[str, Sequence[str]], chance: float = 0.5) -> None:
        if not 0 < chance <= 1:
            raise ConfigError(
                f"chance is {chance}, but some words have to be replaced. Give a number above 0 and up to 1."
            )
        self._means: dict[str, str] = {}
        for word, others in words.items():
            for other in others:
                if not (_WORD.fullmatch(word) and _WORD.fullmatch(other)) or (word, other) != (
                    word.lower(),
                    other.lower(),
                ):
                    raise ConfigError(
                        f"words has {word!r} and {other!r}, but takes single words in lower case. Leave phrases out."
                    )
                if other in words or self._means.get(other, word) != word:
                    raise ConfigError(
                        f"words says that {other!r} means {word!r}, and something else too, so facts would change. Leave one out."
                    )
                self._means[other] = word
        if not self._means:
            raise ConfigError(
                "words has no word that means the same as another. Give some, such as {small: [little, tiny]}."
            )
        self.words, self.chance = {word: tuple(others) for word, others in words.items()}, chance

    def write(
        self, caption: str, named: Sequence[Phrase], luck: random.Random, picture: bytes | None = None
    ) -> str | None:
        """Return the caption with other words; None where none was replaced."""

        def other(found: re.Match[str]) -> str:
            others = self.words.get(found[0].lower(), ())
            if not others or luck.random() >= self.chance:
                return found[0]
            chosen = luck.choice(others)
            return chosen.capitalize() if found[0][0].isupper() else chosen

        written = _WORD.sub(other, caption)
        return None if written == caption else written

    def means(self, word: str) -> str:
        """Return the word that is replaced by this one."""
        return self._means.get(word, word)
