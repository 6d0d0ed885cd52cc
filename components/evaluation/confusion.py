"""What is taken for what: zero-shot answers counted by what each picture is and what was said of it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Pictures of one class that were taken for another, or for it.

    Args:
        true: the class they are of.
        answer: what was said.
        count: how often.
        of: pictures of `true` there are.
    """

    true: str
    answer: str
    count: int
    of: int

    @property
    def share(self) -> float:
        """Return which part of the class that is."""
        return self.count / self.of


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """The answers of one split.

    Args:
        counts: (what it is, what was said) -> pictures.
    """

    counts: Mapping[tuple[str, str], int]

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]]) -> "Confusion":
        """Count rows as zero_shot.<split>.parquet has them, of one set of labels."""
        return cls(counts=Counter((row["label"], row["first"]) for row in rows))

    @property
    def pictures(self) -> int:
        """Return how many were asked about."""
        return sum(self.counts.values())

    @property
    def classes(self) -> tuple[str, ...]:
        """Return what pictures are, or were said to be, by name."""
        return tuple(sorted({name for pair in self.counts for name in pair}))

    def taken(self, true: str, answer: str) -> Taken:
        """Return how often a class was taken for another."""
        return Taken(true=true, answer=answer, count=self.counts.get((true, answer), 0), of=self._sizes[true])

    def worst(self) -> list[Taken]:
        """Return all that was taken for something else, the most often first; of equals that of the smaller class, then by name."""
        sizes = self._sizes
        wrong = [
            Taken(true=true, answer=answer, count=count, of=sizes[true])
            for (true, answer), count in self.counts.items()
            if true != answer
        ]
        return sorted(wrong, key=lambda one: (-one.count, one.of, one.true, one.answer))

    @property
    def _sizes(self) -> Counter[str]:
        sizes: Counter[str] = Counter()
        for (true, _), count in self.counts.items():
            sizes[true] += count
        return sizes
