"""Which of a sample's texts a step reads under one name; components/data/rows/picked.py finds them."""

from dataclasses import dataclass

from components.contracts.errors import ConfigError

CAPTION = "caption"  # the name under which every method finds its texts
Place = tuple[int, int]
"""Characters of a text: the first, and the one behind the last."""


@dataclass(frozen=True, kw_only=True)  # no slots: jsonargparse reads the fields of a default by vars()
class TextPick:
    """What stands under a name of `training.texts`.

    Args:
        kinds: of the captions that are drawn from, such as [long, short]; none allows all. Where a sample has none of them, all
            of its captions are drawn from.
        count: texts of each sample in a step, all different where there are as many.
        sentences: whether a caption is taken apart, and its sentences are drawn.
        merge: neighbouring sentences that make one text.
        mentions: whether a step is told where concepts stand in them, as curation's step Link has found.

    Raises ConfigError for a count or a merge below 1, for a merge of what is not taken apart, and for mentions of what is.
    """

    kinds: tuple[str, ...] = ()
    count: int = 1
    sentences: bool = False
    merge: int = 1
    mentions: bool = False

    def __post_init__(self) -> None:
        for name in ("count", "merge"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, but must be 1 or more. Leave it out for 1.")
        if self.merge > 1 and not self.sentences:
            raise ConfigError(
                f"merge is {self.merge}, but captions are not taken apart. Set sentences: true, or leave merge out."
            )
        if self.mentions and self.sentences:
            raise ConfigError(
                "mentions are places in whole captions, but sentences has them taken apart. Set one of the two to false."
            )
