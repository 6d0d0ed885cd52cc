"""Translates by a list of what is called what: whole captions, or, where a caption is not listed, each of its words."""

import re
from collections.abc import Mapping

from components.contracts.errors import ConfigError
from components.curation.translators.translator import Pair, Translator

_WORD = re.compile(r"[^\W\d_]+")


class DictionaryTranslator(Translator):
    """Says what the list says, there and back; a caption with a word that is not listed is not translated.

    Words keep their order, so a list of words does for captions that were put together of them, and phrases for all others.

    Args:
        words: language -> what each word or caption is called in it, in lower case.
        of: the language of what is translated; `words` says it once for each other language.

    Raises ConfigError for a list without words, and for words that are not in lower case.
    """

    def __init__(self, words: Mapping[str, Mapping[str, str]], of: str = "en") -> None:
        self.words = {language: dict(listed) for language, listed in words.items()}
        self.of = of
        for language, listed in self.words.items():
            if language == of or not listed:
                raise ConfigError(
                    f"words has {language}: {dict(listed)}. Give, for each language but {of}, what words are called in it, such as {{de: {{cat: Katze}}}}."
                )
            if loud := next((word for word in listed if word != word.lower()), None):
                raise ConfigError(
                    f"words has {loud!r} in {language}, but is looked up in lower case. Write {loud.lower()!r}."
                )
        if not self.words:
            raise ConfigError("words is empty. Give a language and words, such as {de: {cat: Katze}}.")
        self._listed: dict[Pair, dict[str, str]] = {}
        for language, listed in self.words.items():
            self._listed[of, language] = listed
            self._listed[language, of] = {its.lower(): word for word, its in reversed(listed.items())}

    @property
    def pairs(self) -> frozenset[Pair]:
        """Return the listed languages, there and back."""
        return frozenset(self._listed)

    def translate(self, text: str, of: str, into: str) -> str | None:
        """Return the text as listed, or with each word as listed; None where one is not."""
        listed = self._listed[of, into]
        if (whole := listed.get(text.strip().lower())) is not None:
            return whole
        words = _WORD.findall(text)
        if not words or any(word.lower() not in listed for word in words):
            return None
        return _WORD.sub(lambda found: listed[found[0].lower()], text)
