"""What is asked of a person's own pictures: which of these is it, where captions are labels and no more, or which caption is its own.

Captions that differ ask for the caption, even where a label stands beside them, since a label may be no more than the name of a folder.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from components.contracts.errors import ConfigError
from components.data.evaluation_set import LABEL
from components.data.selection import Pool, distinct

COLUMN = "category"  # where a person's column `label` ends up
FEW = 4  # pictures for each different caption from which on captions are labels

Ask = Literal["auto", "labels", "captions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The labels there are to choose from.

    Args:
        labels: sorted, two or more.
        said: label -> what a picture of it is said to be, the text that most pictures have first.
        of: split -> the label of each picture.
        captions_differ: whether pictures of one label have several captions, so that finding them can be asked too.
        called: what a picture shows -> its label, where captions say it; empty where the column does.
    """

    labels: tuple[str, ...]
    said: Mapping[str, tuple[str, ...]]
    of: Mapping[str, tuple[str, ...]]
    captions_differ: bool
    called: Mapping[str, str] = field(default_factory=dict)

    def pool(self, split: str, pool: Pool) -> Pool:
        """Return the pictures of a split with their labels, each a thing of its own unless it is of a series: those of one label do not err as one."""
        return replace(pool, concepts=pool.keys, groups=tuple({LABEL: label} for label in self.of[split]))


def choice_of(pools: Mapping[str, Pool], ask: Ask = "auto") -> Choice | None:
    """Return the labels that are asked for, or None where captions are.

    Args:
        pools: `train`, `val`, and `pair` where it may be looked at.
        ask: `auto` asks for labels where there are four pictures to learn from or more for each different caption, and no caption is new
            in the other splits. A label is then what the column says, where each caption is of one label alone, else the caption itself.
            `labels` asks for the column whatever the captions are.

    Raises ConfigError where labels are asked for and pictures have none, or all the same, or there are more of them than pictures to learn from.
    """
    if ask == "captions":
        return None
    column = {name: pool.labelled(COLUMN) for name, pool in pools.items()}
    found = {label for of in column.values() for label in of}
    if ask == "labels":
        if None in found or len(found) < 2:
            raise ConfigError(
                f"labels are asked for, and {'some pictures have none' if None in found else f'all have {next(iter(found))!r}'}. Say of each, in a column "
                "`label`, which of two or more it is, or ask for captions."
            )
        if len(found) > len(pools["train"]):
            raise ConfigError(
                f"there are {len(found):,} labels and {len(pools['train']):,} pictures to learn from, so some labels have none. Bring a picture of each at least, better "
                "ten, or ask for captions."
            )
        return _choice(pools, {name: tuple(map(str, of)) for name, of in column.items()})
    captions = set(pools["train"].concepts)
    new = {concept for pool in pools.values() for concept in pool.concepts} - captions
    if new or len(captions) < 2 or FEW * len(captions) > len(pools["train"]):
        return None
    owners: dict[str, set[str | None]] = {}
    for name, pool in pools.items():
        for concept, label in zip(pool.concepts, column[name], strict=True):
            owners.setdefault(concept, set()).add(label)
    if None not in found and len(found) > 1 and all(len(own) == 1 for own in owners.values()):
        return _choice(pools, {name: tuple(map(str, of)) for name, of in column.items()})
    called = _called(pools)
    of = {name: tuple(called[one] for one in pool.concepts) for name, pool in pools.items()}
    return replace(_choice(pools, of), called=called)


def _called(pools: Mapping[str, Pool]) -> dict[str, str]:
    """Return of each set of captions the first one, as it is written; where two sets begin alike, the whole set."""
    first: dict[str, str] = {}
    for pool in pools.values():
        for concept, texts in zip(pool.concepts, pool.captions, strict=True):
            first.setdefault(concept, texts[0])
    names = list(first.values())
    return {concept: name if names.count(name) == 1 else concept for concept, name in first.items()}


def _choice(pools: Mapping[str, Pool], of: Mapping[str, tuple[str, ...]]) -> Choice:
    texts: dict[str, list[str]] = {label: [] for label in sorted({label for its in of.values() for label in its})}
    for label, own in zip(of["train"], pools["train"].captions, strict=True):
        texts[label] += own
    said = {label: _commonest_first(own) or (label,) for label, own in texts.items()}
    return Choice(
        labels=tuple(texts), said=said, of=of, captions_differ=any(len(own) > 1 for own in said.values()),
    )  # fmt: skip


def _commonest_first(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(distinct(texts), key=lambda text: -texts.count(text)))
