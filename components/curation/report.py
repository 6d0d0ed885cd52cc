"""What a curation step did: no sample goes without being counted."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from components.contracts.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Counts of one step. DataError unless rows_in = rows_out + what was dropped.

    Args:
        op: name of the step.
        rows_in: samples before.
        rows_out: samples after.
        dropped: reason -> samples.
        examples: reason -> at most 20 keys.
    """

    op: str
    rows_in: int
    rows_out: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.rows_in != self.rows_out + sum(self.dropped.values()):
            raise DataError(
                f"{self.op} took {self.rows_in} samples and gave {self.rows_out}, but names reasons for only "
                f"{sum(self.dropped.values())} dropped ones. Count every sample that the step leaves out."
            )

    def as_json(self) -> dict[str, object]:
        """Return plain values for report.json."""
        return {**asdict(self), "examples": {reason: list(keys) for reason, keys in self.examples.items()}}
