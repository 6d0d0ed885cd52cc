"""How a text is changed before a step reads it; components/data/transforms/text_noise.py does it."""

from dataclasses import dataclass

from components.contracts.errors import ConfigError

CHANGES = ("nothing", "synonym", "swap", "delete")


@dataclass(frozen=True, kw_only=True)  # no slots: jsonargparse reads the fields of a default by vars()
class TextNoise:
    """Stop words go, and then one change is made; with nothing given a text stays as it is.

    Args:
        stop_words: share of the texts that lose their stop words, 0 to 1.
        nothing: weight with which no change is drawn, against those of the three below.
        synonym: weight of putting synonyms in place of words.
        swap: weight of letting words change places.
        delete: weight of leaving words out.
        rate: share of a text's words that a change is made to, at least one word (of a swap one pair); above 0, at most 1.

    Raises ConfigError for numbers out of range, and for a weight of nothing beside no other.
    """

    stop_words: float = 0.0
    nothing: float = 0.0
    synonym: float = 0.0
    swap: float = 0.0
    delete: float = 0.0
    rate: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.stop_words <= 1:
            raise ConfigError(f"stop_words is {self.stop_words}, but it is a share of the texts. Give one from 0 to 1.")
        if not 0 < self.rate <= 1:
            raise ConfigError(f"rate is {self.rate}, but it is a share of the words. Give one above 0, at most 1.")
        weights = dict(zip(CHANGES, self.weights, strict=True))
        said = ", ".join(f"{name} {weight:g}" for name, weight in weights.items())
        if min(self.weights) < 0:
            raise ConfigError(f"the weights are {said}, but none can be below 0. Leave out what should not be drawn.")
        if self.nothing and not sum(self.weights[1:]):
            raise ConfigError(f"the weights are {said}, so nothing is all that can be drawn. Leave it out.")

    @property
    def weights(self) -> tuple[float, ...]:
        """Return the weight of each of CHANGES."""
        return self.nothing, self.synonym, self.swap, self.delete

    @property
    def is_off(self) -> bool:
        """Whether every text stays as it is."""
        return not self.stop_words and not any(self.weights)
