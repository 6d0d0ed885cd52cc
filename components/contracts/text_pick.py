"""Which of a sample's texts a step reads under one name; components/data/rows/picked.py finds them."""

import math
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
        weights: in place of kinds, kind -> how often captions of it are drawn against those of the sample's other kinds. What a sample
            lacks is shared out among what it has.
        language_alpha: of `caption` alone. Language l is drawn in proportion to n_l ** language_alpha, where n_l is how often it would
            be drawn at 1: 1 leaves languages as the data has them, 0 draws all as often. Pictures with rare languages then come oftener.
        strict: whether every sample must have `count` texts of its own of these kinds; else some come twice, or are lent.
        mentions: whether a step is told where concepts stand in them, as curation's step Link has found.
        of: another name, whose text in this step all `count` are, each with noise of its own; empty draws anew.
        noise: how a text is changed before it is read; in training only.

    Raises ConfigError for a count or a merge below 1, for a merge of what is not taken apart, for mentions of what is or of what is noised,
    for a choice of captions beside `of`, for weights beside `kinds` or not above 0, for a language_alpha that is none of 0 to 1, and for either of
    what is taken apart.
    """

    kinds: tuple[str, ...] = ()
    count: int = 1
    sentences: bool = False
    merge: int = 1
    weights: Mapping[str, float] = field(default_factory=dict)
    language_alpha: float = 1.0
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
        self._check_shares()
        if self.of and (self.kinds or self.sentences or self.is_weighted):
            raise ConfigError(
                f"of is {self.of}, so these are the texts that stand there, but kinds, weights, language_alpha or sentences choose others. "
                "Leave either out."
            )

    @property
    def is_weighted(self) -> bool:
        """Whether some captions are drawn oftener than others."""
        return bool(self.weights) or self.language_alpha != 1

    @property
    def asked(self) -> tuple[str, ...]:
        """The kinds that are drawn from; none for all."""
        return self.kinds or tuple(self.weights)

    def _check_shares(self) -> None:
        if not 0 <= self.language_alpha <= 1:
            raise ConfigError(
                f"language_alpha is {self.language_alpha}, but must be from 0, all languages as often, to 1, as the data has them. 0.5 is usual."
            )
        for kind, weight in self.weights.items():
            if not 0 < weight < math.inf:
                raise ConfigError(
                    f"weights has {kind}: {weight}, but must be a number above 0. Leave the kind out for none of it."
                )
        if self.weights and self.kinds:
            raise ConfigError(
                f"kinds is {', '.join(self.kinds)}, and weights names the kinds to draw from itself. Leave kinds out."
            )
        if self.is_weighted and self.sentences:
            raise ConfigError(
                "weights and language_alpha are of whole captions, but sentences has them taken apart. Leave either out."
            )


def check_texts(texts: Mapping[str, TextPick]) -> None:
    """Raise ConfigError for texts without a caption, for some that are called as negatives are, for noised ones of a name that is not there or has several texts, and for a language_alpha of another name than `caption`."""
    if CAPTION not in texts:
        raise ConfigError(
            f"texts has {', '.join(texts) or 'nothing'}, but every method reads {CAPTION}. Add {CAPTION}: {{count: 1}} for any caption."
        )
    if NEGATIVE in texts:
        raise ConfigError(
            f"texts has {NEGATIVE}, which is what texts that do not fit are called: training.negatives brings them. Take another name."
        )
    for name, pick in texts.items():
        if name != CAPTION and pick.language_alpha != 1:
            raise ConfigError(
                f"texts.{name} has a language_alpha, but it decides how often pictures come, and so is {CAPTION}'s alone. Set it there."
            )
        if not pick.of:
            continue
        drawn = [other for other, one in texts.items() if not one.of and one.count == 1]
        if pick.of not in drawn:
            raise ConfigError(
                f"texts.{name} is of {pick.of}, but must be of a name that has one text drawn for it. Name one of {', '.join(drawn) or 'none'}."
            )
