"""What every step of curation is: a manifest in, a manifest out, and no sample uncounted.

A step changes neither shard nor file. What it gives follows from the rows, their features and a seed, and from no order:
the same rows in another order are the same rows again, in that order.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import pyarrow as pa

from components.contracts.errors import DataError
from components.contracts.features import Features

EXAMPLES = 20  # keys a reason, in a report


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Counts of one step. DataError unless rows_in + made = rows_out + what was dropped.

    Args:
        op: name of the step.
        rows_in: samples before.
        rows_out: samples after.
        made: samples that were not there before.
        dropped: reason -> samples.
        examples: reason -> at most 20 keys; also of what was changed and not dropped.
        stats: what else there is to say, name -> number.
        warnings: sentences about what a person should look at, though the step went on.
    """

    op: str
    rows_in: int
    rows_out: int
    made: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    stats: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.rows_in + self.made != self.rows_out + sum(self.dropped.values()):
            made = f", made {self.made}" if self.made else ""
            raise DataError(
                f"{self.op} took {self.rows_in} samples{made} and gave {self.rows_out}, but names reasons for only "
                f"{sum(self.dropped.values())} dropped ones. Count every sample that the step leaves out."
            )

    def as_json(self) -> dict[str, object]:
        """Return plain values for report.json; warnings where there are any."""
        said = {**asdict(self), "examples": {reason: list(keys) for reason, keys in self.examples.items()}}
        del said["warnings"]
        return said | ({"warnings": list(self.warnings)} if self.warnings else {})


class CurationOp(ABC):
    """Base of what may stand in `curation.ops` of a recipe; an heir's arguments are its numbers, and are kept as given."""

    @property
    def name(self) -> str:
        """Return how reports call it."""
        return type(self).__name__

    @property
    def needs(self) -> tuple[str, ...]:
        """Return the columns that must be there: those of a manifest, and what steps before this one add."""
        return ()

    @property
    def adds(self) -> tuple[str, ...]:
        """Return the columns that it adds, or writes anew."""
        return ()

    @property
    def features(self) -> tuple[str, ...]:
        """Return the features it asks for: `prints` of pictures, and `NAME.image` and `NAME.text` of a model."""
        return ()

    @property
    def prompts(self) -> tuple[str, ...]:
        """Return texts of its own of which it needs features, in place of those of the samples."""
        return ()

    @abstractmethod
    def apply(self, table: pa.Table, features: Features, seed: int) -> tuple[pa.Table, Report]:
        """Return the rows that are left, in the order in which they came, and what became of the others.

        Raises ConfigError for numbers that do not fit the rows, DataError for rows that nothing can be done with.

        Args:
            table: the columns of a manifest, and those that were added.
            features: has what `features` names, of all rows.
            seed: decides every draw, together with the sample's key.
        """


class RowOp(CurationOp):
    """Base of a step that looks at each row by itself, so that pieces of the rows can be worked at side by side, on other machines too."""

    @property
    def kept_as(self) -> str:
        """Return a name under which what it finds is kept for the next time; empty, as most are, where to find it again costs little.

        The name stands for all that it depends on beside the seed and the columns that it needs.
        """
        return ""

    @property
    def sees(self) -> bool:
        """Return whether it looks at the pictures, which most do not."""
        return False

    @abstractmethod
    def find(self, rows: pa.Table, seed: int) -> pa.Table:
        """Return what is found of rows, row i of rows[i]; it depends on no other row.

        Args:
            rows: the columns that it needs, and `key`; where it sees them `picture`, as encoded.
            seed: decides every draw, together with the sample's key.
        """

    @abstractmethod
    def finish(self, table: pa.Table, found: pa.Table, features: Features) -> tuple[pa.Table, Report]:
        """Return what `apply` does, from what was found of all rows."""

    def apply(self, table: pa.Table, features: Features, seed: int) -> tuple[pa.Table, Report]:
        """Return the rows that are left; errors as of CurationOp."""
        return self.finish(table, self.find(table.select(["key", *self.needs]), seed), features)
