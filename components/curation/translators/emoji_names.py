"""What emoji are called in 14 languages, as people translated it: the names of Unicode's CLDR."""

from functools import cached_property
from typing import Any

from components.contracts.progress import silent
from components.curation.translators.translator import Pair, Translator
from components.data.sources.emoji_wheels import LANGUAGES, PINS, read_concepts
from components.data.sources.wheels import fetch_all

ENGLISH = "en"


class EmojiNames(Translator):
    """Translates the name of an emoji, and nothing else: out of English, and back.

    The two wheels that have them are those that the emoji come from, fetched once.
    """

    @property
    def pairs(self) -> frozenset[Pair]:
        """Return English into each of the other languages, and back."""
        others = [code for code in LANGUAGES if code != ENGLISH]
        return frozenset([*((ENGLISH, code) for code in others), *((code, ENGLISH) for code in others)])

    def translate(self, text: str, of: str, into: str) -> str | None:
        """Return the name; None for what is no name of an emoji, and where the other language has none for it."""
        return self._names[of, into].get(text.strip().lower())

    @cached_property
    def _names(self) -> dict[Pair, dict[str, str]]:
        """Return of each pair what is called what; the first emoji in the order of code points decides where two share a name."""
        wheels = fetch_all({name: PINS[name] for name in ("names", "categories")}, "emoji", silent)
        names: dict[Pair, dict[str, str]] = {pair: {} for pair in self.pairs}
        for concept in read_concepts(wheels["names"], wheels["categories"], LANGUAGES):
            for of, into in self.pairs:
                if concept.names[of] and concept.names[into]:
                    names[of, into].setdefault(concept.names[of].lower(), concept.names[into])
        return names

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing: another process reads the names itself."""
        return {}
