"""The groups of a label: among which there is to choose, and of which pictures of a pool the group is known.

Axes: I pictures of a pool, K of these with a group, L labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from components.contracts.evaluator import Pictures, Subject
from components.data.together import together

Among = Literal["all", "pools"]


def choices(subject: Subject, label: str, among: Among = "all") -> tuple[list[str], str]:
    """Return all groups of a label, sorted, and why there is nothing to choose from; "" where there are two or more.

    Args:
        among: whether groups that training pictures alone have are among them.
    """
    pools = (*([subject.train] if among == "all" else []), *subject.pools.values())
    owned = {one for pool in pools for one in pool.labelled(label)}
    labels = sorted(one for one in owned if one is not None)
    if len(labels) > 1:
        return labels, ""
    why = f"every labelled picture has the {label} {labels[0]!r}" if labels else f"no picture has a {label}"
    return labels, f"{why}, so there is nothing to choose from"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouped:
    """The pictures of a pool whose group is known.

    Args:
        has: bool [I], which these are.
        keys: K names.
        about: what each shows, by its first picture; pictures of one concept, or of one series, err together.
        groups: of each.
        belongs: bool [K L], which label that is.
    """

    has: Bool[np.ndarray, "I"]
    keys: tuple[str, ...]
    about: tuple[str, ...]
    groups: tuple[str, ...]
    belongs: Bool[np.ndarray, "K L"]

    @classmethod
    def of(cls, pool: Pictures, label: str, labels: Sequence[str]) -> "Grouped":
        """Pick them out of a pool, in its order; there may be none."""
        things = [pool.concepts[first] for first in together(pool.concepts, pool.series)]
        known = [
            (key, about, group)
            for key, about, group in zip(pool.keys, things, pool.labelled(label), strict=True)
            if group is not None
        ]
        keys, about, groups = zip(*known, strict=True) if known else ((), (), ())
        numbers = {label: number for number, label in enumerate(labels)}
        belongs = np.array([numbers[group] for group in groups])[:, None] == np.arange(len(labels))
        has = np.array([group is not None for group in pool.labelled(label)], np.bool_)
        return cls(has=has, keys=keys, about=about, groups=groups, belongs=belongs.reshape(len(groups), len(labels)))


def of_nearest(subject: Subject, split: str, label: str, labels: Sequence[str]) -> Float[np.ndarray, "I L"]:
    """Return how near the nearest training picture of each group is, by edges and colours: what no training gets."""
    known = set(labels)
    owned = [() if group is None or group not in known else (group,) for group in subject.train.labelled(label)]
    return subject.nearest(split, owned, labels)[:]
