"""The parts of the queries side by side, of the rows that evaluators left: as Slices measured them, or made of retrieval's own rows.

Made of rows, a part is R@1 of the pictures of a label's group or of one maker; value and interval are those that Slices gives.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from components.evaluation.bootstrap import mean_interval
from components.evaluation.slices import PART

FLOOR = 30  # queries that a part needs, as Slices has it


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of the queries.

    Args:
        name: such as a category.
        queries: there are.
        value: the share that was right.
        low: lower end of its interval; None where all are about one thing.
        high: its other end.
        chance: what a blind guess gets of them; None where nobody said.
        baseline: what the nearest training picture gets; None where no training picture is known.
    """

    name: str
    queries: int
    value: float
    low: float | None = None
    high: float | None = None
    chance: float | None = None
    baseline: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sliced:
    """The parts of one question on one split.

    Args:
        split: of the queries.
        of: what the parts are of, such as `category`.
        asked: a direction of retrieval, or a label.
        parts: by name.
        few: parts with too few queries for a number -> queries.
    """

    split: str
    of: str
    asked: str
    parts: tuple[Part, ...]
    few: Mapping[str, int] = field(default_factory=dict)

    @property
    def whole(self) -> float:
        """Return the share that was right of the queries of all parts shown."""
        return sum(part.value * part.queries for part in self.parts) / sum(part.queries for part in self.parts)


def measured(rows: Iterable[Mapping[str, Any]], metrics: Mapping[str, Mapping[str, Any]]) -> list[Sliced]:
    """Return what Slices found.

    Args:
        rows: as rows/slices.<split>.parquet has them.
        metrics: as metrics.json has them; a part without a metric has too few queries.
    """
    asked: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        asked.setdefault((row["split"], row["of"], row["asked"]), []).append(row)
    found = []
    for (split, of, question), its in asked.items():
        parts, few = [], {}
        for row in its:
            metric = metrics.get(f"slices.{split}.{of}.{question}.{PART.sub('_', row['query'])}")
            if metric is None:
                few[row["query"]] = row["queries"]
                continue
            parts.append(
                Part(
                    name=row["query"], queries=row["queries"], value=row["right"], low=row["low"], high=row["high"],
                    chance=metric["chance"], baseline=row["baseline_right"],
                )
            )  # fmt: skip
        found.append(Sliced(split=split, of=of, asked=question, parts=tuple(parts), few=few))
    return found


def of_retrieval(
    rows: Sequence[Mapping[str, Any]], split: str, of: str, groups: Mapping[str, str | None], seed: int, floor: int = FLOOR
) -> Sliced | None:  # fmt: skip
    """Return R@1 of the pictures of each group; None where no two groups have as many queries as `floor`.

    Args:
        rows: of a split, as rows/retrieval.<split>.parquet has them.
        groups: key of a picture -> its group.
        seed: of the draws for the intervals.
    """
    by_group: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["direction"] == "image_to_text" and (group := groups.get(row["query"])) is not None:
            by_group.setdefault(group, []).append(row)
    parts, few = [], {}
    for group, its in sorted(by_group.items()):
        if len(its) < floor:
            few[group] = len(its)
            continue
        right = np.array([row["rank"] == 1 for row in its])
        theirs = [row["baseline_rank"] for row in its]
        low, high = mean_interval(right, [row["group"] for row in its], seed)
        parts.append(
            Part(
                name=group, queries=len(its), value=float(right.mean()), low=low, high=high,
                baseline=None if None in theirs else float(np.mean([rank == 1 for rank in theirs])),
            )
        )  # fmt: skip
    if len(parts) < 2:
        return None
    return Sliced(split=split, of=of, asked="image_to_text", parts=tuple(parts), few=few)
