"""What a translator of captions must do."""

from abc import ABC, abstractmethod

Pair = tuple[str, str]
"""The code of a language, and of the one that it is translated into."""


class Translator(ABC):
    """Base of what may stand as `translator` of the step Translate; an heir's arguments are its numbers."""

    @property
    @abstractmethod
    def pairs(self) -> frozenset[Pair]:
        """Return from which language into which it translates; asked before anything is read or fetched."""

    @abstractmethod
    def translate(self, text: str, of: str, into: str) -> str | None:
        """Return the text in another language, the same whatever was asked before; None where it has nothing to say.

        Args:
            text: as it stands.
            of: its language.
            into: the other, with which it is one of the pairs.
        """

    @property
    def kept_as(self) -> str:
        """Return a name under which what it says is kept, as of RowOp; empty where to say it again costs little."""
        return ""
