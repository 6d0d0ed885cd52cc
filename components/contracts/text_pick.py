"""Which of a sample's texts a step reads under one name; components/data/rows/picked.py finds them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from components.contracts.errors import ConfigError
from components.contracts.text_noise import TextNoise

CAPTION = "caption"  # the name under which every method finds its texts
NEGATIVE = "negative"  # the name under which a method finds texts that do not fit their pictures
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
        strict: whether every sample must have `count` texts of its own of these kinds; else some come twice, or are lent.
        mentions: whether a step is told where concepts stand in them, as curation's step Link has found.
        of: another name, whose text in this step all `count` are, each with noise of its own; empty draws anew.
        noise: how a text is changed before it is read; in training only.

    Raises ConfigError for a count or a merge below 1, for a merge of what is not taken apart, for mentions of what is or of what is noised,
    and for a choice of captions beside `of`.
    """

    kinds: tuple[str, ...] = ()
    count: int = 1
    sentences: bool = False
    merge: int = 1
    strict: bool = False
    mentions: bool = False
    of: str = ""
    noise: TextNoise = field(default_factory=TextNoise)

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
        if self.mentions and (self.of or not self.noise.is_off):
            raise ConfigError(
                "mentions are places in captions as they came, but of or noise has them changed. Leave mentions out, or the noise."
            )
        if self.of and (self.kinds or self.sentences):
            raise ConfigError(
                f"of is {self.of}, so these are the texts that stand there, but kinds or sentences choose others. Leave either out."
            )


def check_texts(texts: Mapping[str, TextPick]) -> None:
    """Raise ConfigError for texts without a caption, for some that are called as negatives are, and for noised ones of a name that is not there or has several texts."""
    if CAPTION not in texts:
        raise ConfigError(
            f"texts has {', '.join(texts) or 'nothing'}, but every method reads {CAPTION}. Add {CAPTION}: {{count: 1}} for any caption."
        )
    if NEGATIVE in texts:
        raise ConfigError(
            f"texts has {NEGATIVE}, which is what texts that do not fit are called: training.negatives brings them. Take another name."
        )
    for name, pick in texts.items():
        if not pick.of:
            continue
        drawn = [other for other, one in texts.items() if not one.of and one.count == 1]
        if pick.of not in drawn:
            raise ConfigError(
                f"texts.{name} is of {pick.of}, but must be of a name that has one text drawn for it. Name one of {', '.join(drawn) or 'none'}."
            )
