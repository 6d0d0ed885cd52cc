"""The texts of each sample that are drawn from under one name.

Source: Zheng et al. 2024, arXiv:2403.17007 (DreamLIP), takes long captions apart and draws sentences of them; Yang et al. 2023,
arXiv:2308.08428 (ALIP), reads a raw and a synthetic text of each picture. Differs: a sample without such a text lends another,
and is marked.
Axes: M samples.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from components.contracts.errors import DataError
from components.contracts.text_pick import TextPick
from components.data.sentences import sentences


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """What may be drawn.

    Args:
        texts: of each sample, at least one.
        is_given: whether they are of the kinds that were asked for.
        weights: how often each text is drawn against the others of its sample; none where all are drawn as often.
        often: how often each sample comes, 1 in the mean; none where all come as often.
        languages: language -> its share of all texts that are drawn; none unless language_alpha decides it.
    """

    texts: tuple[tuple[str, ...], ...]
    is_given: tuple[bool, ...]
    weights: tuple[tuple[float, ...], ...] = ()
    often: tuple[float, ...] = ()
    languages: Mapping[str, float] = field(default_factory=dict)


def picked(
    name: str,
    pick: TextPick,
    captions: Sequence[Sequence[str]],
    kinds: Sequence[Sequence[str]] = (),
    languages: Sequence[Sequence[str]] = (),
) -> Picked:
    """Return what may be drawn under a name.

    Args:
        captions: of each sample, at least one.
        kinds: of each caption; none where nothing is known of them.
        languages: the same.

    Raises DataError, with the kinds that there are, where no sample has one that is asked for, with `strict` where one has too few, and
    where languages are to be drawn by their shares and are not known.
    """
    of_kind = kinds or [[""] * len(own) for own in captions]
    if pick.language_alpha != 1 and not languages:
        raise DataError(
            f"training.texts.{name} has a language_alpha, but of no caption the language is known. Leave it out, or bring data that says it."
        )
    every = [range(len(own)) for own in captions]
    if not pick.asked:
        found = Picked(texts=tuple(_apart(own, pick) for own in captions), is_given=(True,) * len(captions))
        return _checked(name, pick, _shared(found, pick, every, of_kind, languages))
    places = [[place for place, kind in enumerate(of) if kind in pick.asked] for of in of_kind]
    wanted = [[own[place] for place in its] for own, its in zip(captions, places, strict=True)]
    if not any(wanted):
        there = sorted({kind for of in kinds for kind in of})
        raise DataError(
            f"training.texts.{name} asks for captions of the kinds {', '.join(pick.asked)}, but no picture has one; there are "
            f"{', '.join(there) or 'captions of no kind'}. Name one of these, or have the recipe's curation write what is missing."
        )
    texts = tuple(_apart(some or own, pick) for some, own in zip(wanted, captions, strict=True))
    found = Picked(texts=texts, is_given=tuple(map(bool, wanted)))
    kept = [its or all_ for its, all_ in zip(places, every, strict=True)]
    return _checked(name, pick, _shared(found, pick, kept, of_kind, languages))


def _shared(
    found: Picked,
    pick: TextPick,
    places: Sequence[Sequence[int]],
    kinds: Sequence[Sequence[str]],
    languages: Sequence[Sequence[str]],
) -> Picked:
    """Return it with how often each text, and each sample, is drawn.

    Within a sample a kind has its weight, and captions of one kind share it evenly; that sums to one. n of a language is the sum of
    these over all samples. A text of language l then weighs n_l ** (alpha - 1) times as much, and a sample what its texts weigh
    together: so l is drawn n_l ** alpha times of all, whatever samples have which.

    Args:
        places: of each text that is left, among its sample's captions.
    """
    if not pick.is_weighted:
        return found
    base = []
    for its, of in zip(places, kinds, strict=True):
        there = Counter(of[place] for place in its)
        own = [pick.weights.get(of[place], 1.0) / there[of[place]] if pick.weights else 1.0 for place in its]
        base.append([one / sum(own) for one in own])
    if pick.language_alpha == 1:
        return replace(found, weights=tuple(map(tuple, base)))
    spoken = [[langs[place] for place in its] for its, langs in zip(places, languages, strict=True)]
    drawn = defaultdict[str, float](float)
    for own, of in zip(base, spoken, strict=True):
        for weight, lang in zip(own, of, strict=True):
            drawn[lang] += weight
    weights = [
        tuple(weight * drawn[lang] ** (pick.language_alpha - 1) for weight, lang in zip(own, of, strict=True))
        for own, of in zip(base, spoken, strict=True)
    ]
    sums = [sum(own) for own in weights]
    powers = {lang: count**pick.language_alpha for lang, count in sorted(drawn.items())}
    return replace(
        found, weights=tuple(weights), often=tuple(one * len(sums) / sum(sums) for one in sums),
        languages={lang: power / sum(powers.values()) for lang, power in powers.items()},
    )  # fmt: skip


def _checked(name: str, pick: TextPick, found: Picked) -> Picked:
    """Return it; DataError where it has to be strict and a sample has fewer texts than a step reads."""
    counts = [len(own) if given else 0 for own, given in zip(found.texts, found.is_given, strict=True)]
    few = [count for count in counts if count < pick.count]
    if pick.strict and few:
        raise DataError(
            f"training.texts.{name} is strict and reads {pick.count} texts of each picture, but {len(few):,} of {len(counts):,} have fewer, the "
            f"least {min(few)}. Lower count, have curation leave those pictures out or write more, or set strict to false."
        )
    return found


def _apart(captions: Sequence[str], pick: TextPick) -> tuple[str, ...]:
    """Return the captions, or runs of `merge` sentences of each."""
    if not pick.sentences:
        return tuple(captions)
    apart = [sentences(caption) or [caption] for caption in captions]
    return tuple(" ".join(own[at : at + pick.merge]) for own in apart for at in range(0, len(own), pick.merge))
