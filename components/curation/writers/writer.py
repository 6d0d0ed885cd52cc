"""What a writer of captions must do."""

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence

from components.curation.phrases import Phrase


class Writer(ABC):
    """Base of what may stand as `writer` of the step Rewrite; an heir's arguments are its numbers."""

    @abstractmethod
    def write(
        self, caption: str, named: Sequence[Phrase], luck: random.Random, picture: bytes | None = None
    ) -> str | None:
        """Return another caption for a picture, None where it has nothing to write.

        Args:
            caption: as it stands; empty, only for one that sees, where there is none.
            named: what the caption names, one thing or more, but for one that sees.
            luck: decides every choice.
            picture: as encoded, for one that sees.
        """

    @property
    def sees(self) -> bool:
        """Return whether it looks at the picture."""
        return False

    @property
    def kept_as(self) -> str:
        """Return a name under which what it writes is kept, as of RowOp; empty, as most are, where to write it again costs little."""
        return ""

    def means(self, word: str) -> str:
        """Return the word of the old caption that a word of the new one stands for; the same by default."""
        return word
