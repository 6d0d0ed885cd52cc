"""Prompt ensemble: a label is the mean of its prompts, by the set of templates that is best on the validation split.

Source: Radford et al. 2021, arXiv:2103.00020, section 3.1.4. Differs: there are few sets to choose from, and what the training pictures of a label are
said to be is one of them.
"""

from collections.abc import Iterator, Mapping, Sequence

from components.contracts.errors import ConfigError
from components.contracts.progress import Progress
from components.evaluation.prompts import PLACE, asked_by
from components.finetuning.labels.way import SHARPNESSES, STRENGTHS, LabelVectors, LabelWay, Seen

SETS: Mapping[str, tuple[str, ...]] = {
    "a photo": ("a photo of a {}.",),
    "a picture": ("a picture of {}",),
    "seven": (  # of the 80 that they use for ImageNet, the ones that their notebook ends with
        "itap of a {}.", "a bad photo of the {}.", "a origami {}.", "a photo of the large {}.", "a {} in a video game.", "art of the {}.",
        "a photo of the small {}.",
    ),
}  # fmt: skip
MOST = 64  # captions of a label that are averaged


class PromptEnsemble(LabelWay):
    """Chooses among sets of templates; arguments as of LabelWay, and

    Args:
        sets: name -> templates, each with one {} for the label.

    Raises ConfigError for a template without a place.
    """

    learns = False

    def __init__(
        self, strengths: Sequence[float] = STRENGTHS, sharpnesses: Sequence[float] = SHARPNESSES,
        sets: Mapping[str, Sequence[str]] = SETS,
    ) -> None:  # fmt: skip
        super().__init__(strengths, sharpnesses)
        if wrong := [one for templates in sets.values() for one in templates or ("",) if one.count(PLACE) != 1]:
            raise ConfigError(
                f"{wrong[0]!r} is no template: it has not one {PLACE}, where the label goes. Write such as 'a picture of {PLACE}'."
            )
        self.sets = {name: tuple(templates) for name, templates in sets.items()}

    def candidates(self, seen: Seen, begun: LabelVectors, progress: Progress) -> Iterator[LabelVectors]:
        """Yield the mean of each label's prompts, set by set, and last of what its pictures are said to be, where that differs."""
        labels = seen.choice.labels
        for templates in self.sets.values():
            yield _mean(seen, {label: tuple(one.replace(PLACE, label) for one in templates) for label in labels})
        if any(said != (label,) for label, said in seen.choice.said.items()):
            yield _mean(seen, {label: seen.choice.said[label][:MOST] for label in labels})


def _mean(seen: Seen, prompts: Mapping[str, Sequence[str]]) -> LabelVectors:
    asked = asked_by(prompts, seen.embedder.texts, "mean")
    return LabelVectors(vectors=asked.vectors, counts=asked.counts)
