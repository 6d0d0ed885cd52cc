"""What a language can say of things. Each says the same of the same, and nothing of what is None."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What is said of one thing; None for what is not.

    Args:
        shape: of words.SHAPES; the noun.
        colour: of words.COLOURS.
        size: of words.SIZES.
        texture: of words.TEXTURES; `plain` is only said where attributes are listed.
    """

    shape: str
    colour: str | None = None
    size: str | None = None
    texture: str | None = None

    def only(self, spoken: Collection[str]) -> "Said":
        """Return the noun with those of the attributes that are named."""
        return Said(
            shape=self.shape,
            colour=self.colour if "colour" in spoken else None,
            size=self.size if "size" in spoken else None,
            texture=self.texture if "texture" in spoken else None,
        )


class Grammar(ABC):
    """One language.

    Args:
        code: ISO 639-1.
        comma: what stands between the parts of a list.
        space: what stands between words, and between sentences.
    """

    code: str
    comma: str = ", "
    space: str = " "

    @abstractmethod
    def word(self, shape: str) -> str:
        """Return the noun."""

    @abstractmethod
    def a(self, said: Said) -> str:
        """Return "a small red circle"."""

    @abstractmethod
    def the(self, said: Said) -> str:
        """Return "the small red circle"."""

    @abstractmethod
    def related(self, one: Said, relation: str, other: Said) -> str:
        """Return "a red circle left of a blue star"."""

    @abstractmethod
    def placed(self, said: Said, place: str) -> str:
        """Return "a red circle at the top left"."""

    @abstractmethod
    def along(self, phrase: str, others: Sequence[Said]) -> str:
        """Return the phrase with further things: "…, with a green ring and a black heart"."""

    @abstractmethod
    def there_is(self, said: Said, place: str) -> str:
        """Return the sentence "There is a red circle at the top left."."""

    @abstractmethod
    def states(self, one: Said, relation: str, other: Said) -> str:
        """Return the sentence "The red circle is left of the blue star."."""

    @abstractmethod
    def attributes(self, said: Said) -> str:
        """Return the sentence "The circle is small, red and striped."; the noun in it is said, at least one more too."""

    def also(self, phrases: Sequence[str], last: str) -> str:
        """Return phrases as a list, `last` (such as " and ") before the last."""
        return last.join(filter(None, (self.comma.join(phrases[:-1]), phrases[-1])))


def sentence(words: str, stop: str = ".") -> str:
    """Return words with a capital at the beginning and a stop at the end."""
    return f"{words[0].upper()}{words[1:]}{stop}"


def spaced(*words: str | None) -> str:
    """Return those words that there are, with spaces between."""
    return " ".join(word for word in words if word)
