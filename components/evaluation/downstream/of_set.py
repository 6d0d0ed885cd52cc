"""The pictures that are measured, by a label that they have: any evaluation set with classes is a set to fit on."""

from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass
from itertools import repeat

from components.contracts.errors import ConfigError
from components.contracts.evaluator import Downstream, Labelled, Part, Pictures, Subject
from components.data.rows.lazy import TakenPictures
from components.evaluation.labelled import SHOWN, parted

FITTED = "train/"  # before the names of pictures to fit on, which may be called as those to test on


class OfSet(Downstream):
    """Each pool of the subject.

    One whose set has pictures to fit on beside it (`Subject.to_fit`, CLIP_benchmark's split `train`) is tested on whole. Of any other a fifth of
    each class is tested on. Pictures of one concept are of one part, unless some class has too few concepts for that.

    Args:
        label: what is asked for, such as `category`; `class` of CLIP_benchmark's sets.

    Raises ConfigError for a label that is empty.
    """

    name = "<set>"
    about = "the pictures that are measured"
    of_subject = True

    def __init__(self, label: str) -> None:
        if not label:
            raise ConfigError(
                "label is empty, so nothing says what pictures are told apart by. Name one, such as category."
            )
        self.label = label

    def of(self, subject: Subject) -> Mapping[str, Labelled | str]:
        """Return `<pool>.<label>` -> its labelled pictures, or why they cannot be fitted on."""
        return {
            f"{name}.{self.label}": self._parted(pool, subject.to_fit.get(name), name)
            for name, pool in subject.pools.items()
        }

    def _parted(self, pool: Pictures, beside: Pictures | None, name: str) -> Labelled | str:
        tested = _Told.of(pool, self.label)
        if not tested.labels:
            return f"no picture of {name} has a {self.label}, so there is nothing to fit"
        if len(classes := set(tested.labels)) < 2:
            return f"every labelled picture of {name} has the {self.label} {tested.labels[0]!r}, so there is nothing to tell apart"
        if beside is None:
            told = f"a fifth of each {self.label} tested, by names, as {name} has one split alone"
            parts, told = _by_things(tested, True, told)
            if isinstance(parts, str):
                return f"{name} has one split alone, to fit and to test on, and {parts}. Add pictures of them, or a split to fit on"
            return Labelled(
                pictures=tested.pictures,
                keys=tested.keys,
                labels=tested.labels,
                parts=parts,
                groups=tested.about,
                told=told,
            )
        fitted = _Told.of(beside, self.label, classes)
        if lost := sorted(classes - set(fitted.labels)):
            return f"{len(lost)} of {len(classes)} classes of {name} have no picture to fit on: {', '.join(lost[:SHOWN])}. Fetch all shards"
        parts, told = _by_things(fitted, False, f"fitted on the set's own split of {len(fitted.keys):,} pictures")
        if isinstance(parts, str):
            return f"of the split to fit on, {parts}. Add pictures of them"
        both, rest = fitted.before(tested), tuple[Part, ...](repeat("test", len(tested.keys)))
        return Labelled(
            pictures=both.pictures, keys=both.keys, labels=both.labels, parts=parts + rest,
            groups=both.about, told=told,
        )  # fmt: skip


def _by_things(known: "_Told", test: bool, told: str) -> tuple[tuple[Part, ...] | str, str]:
    """Return parts by what pictures show, or by the picture where a class shows too few things, and how they came about."""
    parts = parted(known.labels, known.about, test)
    if known.about == known.keys:
        return parts, told
    if not isinstance(parts, str):
        return parts, f"{told}, all pictures of one thing in one part"
    things = Counter(label for label, _ in set(zip(known.labels, known.about, strict=True)))
    poorest = min(sorted(things), key=things.__getitem__)
    told = f"{told}, pictures of one thing in several parts, as {poorest!r} shows {things[poorest]}"
    return parted(known.labels, known.keys, test), told


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """Pictures whose label is known."""

    pictures: TakenPictures
    keys: tuple[str, ...]
    labels: tuple[str, ...]
    about: tuple[str, ...]

    @classmethod
    def of(cls, pool: Pictures, label: str, among: Container[str] | None = None) -> "_Told":
        """Return those that have the label; where classes are given, those of them alone."""
        known = [
            (place, group)
            for place, group in enumerate(pool.labelled(label))
            if group is not None and (among is None or group in among)
        ]
        places = [place for place, _ in known]
        return cls(
            pictures=TakenPictures([(pool.pictures, place) for place in places]), keys=tuple(pool.keys[place] for place in places),
            labels=tuple(group for _, group in known), about=tuple(pool.concepts[place] for place in places),
        )  # fmt: skip

    def before(self, tested: "_Told") -> "_Told":
        """Return both, these first and under names of their own: a set's splits call their pictures alike."""
        return _Told(
            pictures=TakenPictures([*self.pictures.places, *tested.pictures.places]), keys=(*(FITTED + key for key in self.keys), *tested.keys),
            labels=self.labels + tested.labels, about=(*(FITTED + one for one in self.about), *tested.about),
        )  # fmt: skip
