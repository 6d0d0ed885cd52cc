"""Which of a sample's texts a step reads under one name; components/data/rows/picked.py finds them."""

from dataclasses import dataclass

from components.contracts.errors import ConfigError

CAPTION = "caption"  # the name under which every method finds its texts


@dataclass(frozen=True, kw_only=True)  # no slots: jsonargparse reads the fields of a default by vars()
class TextPick:
    """What stands under a name of `training.texts`.

    Args:
        kinds: of the captions that are drawn from, such as [long, short]; none allows all. Where a sample has none of them, all
            of its captions are drawn from.
        count: texts of each sample in a step, all different where there are as many.
        sentences: whether a caption is taken apart, and its sentences are drawn.
        merge: neighbouring sentences that make one text.

    Raises ConfigError for a count or a merge below 1, and for a merge of what is not taken apart.
    """

    kinds: tuple[str, ...] = ()
    count: int = 1
    sentences: bool = False
    merge: int = 1

    def __post_init__(self) -> None:
        for name in ("count", "merge"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, but must be 1 or more. Leave it out for 1.")
        if self.merge > 1 and not self.sentences:
            raise ConfigError(
                f"merge is {self.merge}, but captions are not taken apart. Set sentences: true, or leave merge out."
            )
