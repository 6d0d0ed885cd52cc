"""Emoji of people and hands in five skin tones by three designers, each named as it is without one: to measure, not to train on.

The tones are those of Fitzpatrick's scale, as Unicode has them, and stand under the label `subcategory`: of 322 things each tone has the same
names and the same designers. Designers give most tones a hair colour too. Pictures: 4,830, 72 x 72 pixels, transparent.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing

from components.contracts.errors import ConfigError
from components.contracts.progress import Progress
from components.contracts.sample import Sample
from components.data.sources.emoji_wheels import LICENCES, PINS, check_asked, made_of, pictured, read_toned, sample_of
from components.data.sources.wheels import fetch_all

UNTONED = ("snowboarder",)  # Noto's shows no skin: one picture five times, which is also what the source `emoji` has
SPLIT = "pair"  # of all: things that the emoji show too, in pictures that nobody trains on


class EmojiTones:
    """Fetches the five wheels of `emoji` (67 MB, once) and gives 4,830 pictures, of each thing five by each designer.

    Args:
        languages: codes of the names each picture comes with, English being the concept's own; of LANGUAGES.
        workers: processes that draw; the samples do not depend on it.
        every: of the things in the order of their code points one of so many, for a quick look; 1 for all.
    """

    def __init__(self, languages: Sequence[str] = ("en",), workers: int = 2, every: int = 1) -> None:
        check_asked(languages, workers)
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise ConfigError(
                f"source.every is {every!r}. Give a whole number, 1 for all things, 10 for a tenth of them."
            )
        self.languages = tuple(languages)
        self.workers = workers
        self.every = every
        self._several = 0

    def samples(self, seed: int, progress: Progress) -> Iterator[Sample]:
        """Yield three pictures of each thing in each tone, in the order of their code points; nothing depends on the seed."""
        wheels = fetch_all(PINS, "emoji_tones", progress)
        known, self._several = read_toned(wheels["names"], wheels["categories"], self.languages)
        things = [name for name in dict.fromkeys(one.labels["concept"] for one in known) if name not in UNTONED]
        asked = set(things[:: self.every])
        toned = [one for one in known if one.labels["concept"] in asked]
        total = len(toned) * len(LICENCES)
        done = 0
        with closing(pictured(toned, wheels, self.workers)) as drawn:
            for concept, pictures in drawn:
                for designer, data in pictures.items():
                    yield sample_of(concept, designer, SPLIT, data)
                    done += 1
                    progress("draw and write pictures", done, total)

    def describe(self) -> dict[str, object]:
        """Return names, versions and digests of everything the samples are made of; how many were left out, once they are read."""
        without = {
            "train and val": "this is to be measured, not trained on: list it under evaluation.sets",
            f"things that not every designer shows with skin: {', '.join(UNTONED)}": f"{len(UNTONED)}",
        }
        if self._several:
            without["emoji of several people with a tone each"] = f"{self._several:,}: they are of no one tone"
        return {
            "name": "emoji_tones",
            "designers": dict(LICENCES),
            "held_out": None,
            "languages": list(self.languages),
            "every": self.every,
            "splits": {SPLIT: "known things in five skin tones"},
            "without": without,
            **made_of(),
        }
