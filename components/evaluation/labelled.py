"""Labelled pictures in parts, to fit on, to choose by and to test on: whole groups of what belongs together, within each class.

Which part a thing is of follows from its name and the names beside it in its class, so that every model and every seed is tested on the same pictures.
Axes: N pictures.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence

from components.contracts.evaluator import Downstream, Findings, Labelled, Part, Subject

FEWEST = 3  # pictures of a class: one a part
SHOWN = 5  # names in a sentence


def over_sets(
    kind: str, data: Downstream, subject: Subject, measure: Callable[[str, Labelled], Findings]
) -> Findings:  # fmt: skip
    """Return what `measure` finds of each set that `data` is of this subject, and in `without`, why a set is none.

    Args:
        kind: of the metrics, such as `probe`.
        measure: is handed the set's name in metrics, and the set.
    """
    return joined(
        Findings(without={f"{kind}.{name}": one}) if isinstance(one, str) else measure(name, one)
        for name, one in data.of(subject).items()
    )


def joined(found: Iterable[Findings]) -> Findings:
    """Return all of it in one, where no two name anything alike."""
    whole = Findings()
    for one in found:
        whole = Findings(
            metrics=(*whole.metrics, *one.metrics), rows={**whole.rows, **one.rows}, files={**whole.files, **one.files},
            without={**whole.without, **one.without},
        )  # fmt: skip
    return whole


def parted(labels: Sequence[str], things: Sequence[Hashable], test: bool) -> tuple[Part, ...] | str:
    """Return the part of each picture, or in words which class has too little for that.

    Within each class a fifth of its things is to choose by and, with `test`, a fifth to test on, one at least; the rest is to fit on.

    Args:
        labels: N classes.
        things: what each picture shows; all pictures of one thing are of one part.
        test: whether there is a part to test on.
    """
    parts: dict[Hashable, Part] = {}
    for label in sorted(set(labels)):
        its = {thing for thing, one in zip(things, labels, strict=True) if one == label} - parts.keys()
        order = sorted(its, key=lambda thing: hashlib.sha256(str(thing).encode()).digest())
        fifth = max(1, round(len(order) / 5))
        tested = fifth if test else 0
        for place, thing in enumerate(order):
            parts[thing] = "test" if place < tested else "val" if place < tested + fifth else "train"
    found = tuple(parts[thing] for thing in things)
    wanted: set[Part] = {"train", "val", "test"} if test else {"train", "val"}
    having: dict[str, set[Part]] = {}
    for label, part in zip(labels, found, strict=True):
        having.setdefault(label, set()).add(part)
    if short := sorted(label for label, its in having.items() if its < wanted):
        counts = Counter(labels)
        named = ", ".join(f"{label!r} ({counts[label]})" for label in short[:SHOWN])
        return f"{len(short)} of its classes have too few pictures for {len(wanted)} parts: {named}"
    return found
