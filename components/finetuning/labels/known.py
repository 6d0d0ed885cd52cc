"""Which label a picture has that nobody looked at when labels were chosen, such as one to be tested on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.contracts.evaluator import Pictures
from components.data.evaluation_set import LABEL
from components.data.selection import Pool
from components.finetuning.labels.choice import COLUMN, Choice


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """How a picture's label is told.

    Args:
        labels: that there are to choose from.
        called: what a picture shows -> its label, where captions say it; empty where the column does.
    """

    labels: tuple[str, ...]
    called: Mapping[str, str]

    @classmethod
    def of(cls, choice: Choice) -> "Known":
        """Return how the labels of a choice were told."""
        return cls(labels=choice.labels, called=choice.called)

    @classmethod
    def from_json(cls, raced: Mapping[str, Any]) -> "Known | None":
        """Return what adapted.json says; None where captions were asked for."""
        return cls(labels=tuple(raced["labels"]), called=raced["called"]) if raced.get("labels") else None

    def label_of(self, pool: Pictures) -> tuple[str | None, ...]:
        """Return the label of each picture; None of one that has none, or one that was not there to choose from."""
        said = [self.called.get(one) for one in pool.concepts] if self.called else pool.labelled(COLUMN)
        return tuple(label if label in self.labels else None for label in said)

    def pool(self, pool: Pictures) -> Pool:
        """Return the same pictures with these labels, each a thing of its own unless it is of a series: those of one label do not err as one."""
        return Pool(
            keys=pool.keys, pictures=pool.pictures, captions=pool.captions, concepts=pool.keys, sources=("",) * len(pool.keys),
            groups=tuple({LABEL: label} if label else {} for label in self.label_of(pool)),
            series=pool.series,
        )  # fmt: skip
