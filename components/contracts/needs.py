"""What a recipe needs of the data beside pictures with words, as `curation.needs` of its YAML says."""

from dataclasses import dataclass, replace
from typing import Literal

from components.contracts.errors import ConfigError

Kinds = Literal["documents", "regions", "spans"]
ENDS = 2  # tokens of a text that are no words: its start and its end


@dataclass(frozen=True, kw_only=True)  # no slots: jsonargparse reads the fields of a default by vars()
class Needs:
    """As it stands, nothing more. A sample without what is needed is not selected; data without any of it is refused.

    Args:
        kinds: tables in which a sample must have a row.
        languages: ISO 639-1 codes; every text must be in one of them. Without, any will do.
        min_side: pixels of the shorter side at least; `pixels` for what the tower sees at this scale.
        max_words: of a text at the most; `context` for what could fit into the recipe's text tower.
        regions: of a picture at least, where regions are needed.
        seconds: that a span may last, at least and at the most, where spans are needed.

    ConfigError for bounds that nothing can meet, and those of a kind that is not needed.
    """

    kinds: tuple[Kinds, ...] = ()
    languages: tuple[str, ...] = ()
    min_side: int | Literal["pixels"] | None = None
    max_words: int | Literal["context"] | None = None
    regions: int = 1
    seconds: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        for name in ("min_side", "max_words", "regions"):
            value = getattr(self, name)
            if isinstance(value, int) and value < 1:
                raise ConfigError(f"{name} is {value}, and everything has that. Give 1 or more, or leave it out.")
        if self.regions > 1 and "regions" not in self.kinds:
            raise ConfigError("regions is a number of regions, but kinds has none. Write kinds: [regions] beside it.")
        if self.seconds is not None and "spans" not in self.kinds:
            raise ConfigError("seconds is the length of spans, but kinds has none. Write kinds: [spans] beside it.")
        if self.seconds is not None and not 0 <= self.seconds[0] < self.seconds[1]:
            raise ConfigError(f"seconds is {list(self.seconds)}. Give the least and the most, such as [1, 30].")

    def at(self, pixels: int, context: int) -> "Needs":
        """Return the same in numbers, for a tower that sees `pixels` a side and a text tower of `context` tokens."""
        side = pixels if self.min_side == "pixels" else self.min_side
        words = context - ENDS if self.max_words == "context" else self.max_words
        return replace(self, min_side=side, max_words=words)
