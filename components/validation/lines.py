"""What came of one rule, as the report prints it."""

from dataclasses import dataclass

from components.contracts.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One rule and what came of it.

    Args:
        rule: in words.
        reason: the code of REASONS that a failing row gets; None for a check on the whole table.
        checked: rows or texts looked at.
        failed: how many of them were not as they have to be.
    """

    rule: str
    reason: str | None
    checked: int
    failed: int


def row_count_is_wrong(rows: int, said: str) -> DataError:
    """Return the error for a table that is not the one that source.json speaks of."""
    return DataError(
        f"the manifest has {rows} rows, but it {said}: rows were lost or added after ingest. Ingest again."
    )
