"""Writes anew what a caption names, and nothing else: things with what they are like, in an order that is drawn."""

import random
from collections.abc import Sequence

from components.contracts.errors import ConfigError
from components.curation.phrases import COUNTS, Phrase
from components.curation.writers.writer import Writer


class GrammarWriter(Writer):
    """A list of the things in a sentence; how they lie to each other is lost.

    Args:
        templates: with {} where the list goes; one is drawn for each caption.
    """

    def __init__(self, templates: Sequence[str] = ("{}", "a picture of {}", "there is {}")) -> None:
        if not templates or any(template.count("{}") != 1 for template in templates):
            raise ConfigError(
                f"templates are {list(templates)}, but each has {{}} once, where the things go, and there is one at least."
            )
        self.templates = tuple(templates)

    def write(
        self, caption: str, named: Sequence[Phrase], luck: random.Random, picture: bytes | None = None
    ) -> str | None:
        """Return the things in another order, in a template."""
        order = list(named)
        luck.shuffle(order)
        said = [_with_article(one) for one in order]
        listed = " and ".join(filter(None, (", ".join(said[:-1]), said[-1])))
        return luck.choice(self.templates).replace("{}", listed)


def _with_article(phrase: Phrase) -> str:
    counts = [word for word in phrase.attributes if word in COUNTS]
    words = " ".join((*counts, *(word for word in phrase.attributes if word not in COUNTS), phrase.noun))
    if counts:
        return words
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
