"""The texts of each sample that are drawn from under one name.

Source: Zheng et al. 2024, arXiv:2403.17007 (DreamLIP), takes long captions apart and draws sentences of them; Yang et al. 2023,
arXiv:2308.08428 (ALIP), reads a raw and a synthetic text of each picture. Differs: a sample without such a text lends another,
and is marked.
Axes: M samples.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from components.contracts.errors import DataError
from components.contracts.text_pick import TextPick
from components.data.sentences import sentences


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """What may be drawn.

    Args:
        texts: of each sample, at least one.
        is_given: whether they are of the kinds that were asked for.
    """

    texts: tuple[tuple[str, ...], ...]
    is_given: tuple[bool, ...]


def picked(name: str, pick: TextPick, captions: Sequence[Sequence[str]], kinds: Sequence[Sequence[str]] = ()) -> Picked:
    """Return what may be drawn under a name.

    Args:
        captions: of each sample, at least one.
        kinds: of each caption; none where nothing is known of them.

    Raises DataError, with the kinds that there are, where no sample has one that is asked for, and with `strict` where one has too few.
    """
    if not pick.kinds:
        found = Picked(texts=tuple(_apart(own, pick) for own in captions), is_given=(True,) * len(captions))
        return _checked(name, pick, found)
    wanted = [
        [text for text, kind in zip(own, of, strict=True) if kind in pick.kinds]
        for own, of in zip(captions, kinds or [[""] * len(own) for own in captions], strict=True)
    ]
    if not any(wanted):
        there = sorted({kind for of in kinds for kind in of})
        raise DataError(
            f"training.texts.{name} asks for captions of the kinds {', '.join(pick.kinds)}, but no picture has one; there are "
            f"{', '.join(there) or 'captions of no kind'}. Name one of these, or have the recipe's curation write what is missing."
        )
    texts = tuple(_apart(some or own, pick) for some, own in zip(wanted, captions, strict=True))
    return _checked(name, pick, Picked(texts=texts, is_given=tuple(map(bool, wanted))))


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
