"""A record that a source met and that can be no sample: which it is, where it lies, and why."""

from dataclasses import dataclass

from components.contracts.reasons import INGEST, REASONS


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """One row of data/raw/quarantine.parquet.

    Args:
        key: the record's name as its owner knows it, such as `cat.jpg` or `00007.tar/000070031`; a shard's own, where the
            whole shard is meant.
        member: the file, row or member it lies in.
        reason: a code of REASONS that ingest gives.
        detail: what was found, and what would have been right.

    ValueError for another code, or without key, member or detail: a source's fault, which must not reach the report.
    """

    key: str
    member: str
    reason: str
    detail: str

    def __post_init__(self) -> None:
        if self.reason not in REASONS or INGEST not in REASONS[self.reason].found_by:
            known = ", ".join(code for code, its in REASONS.items() if INGEST in its.found_by)
            raise ValueError(
                f"{self.key} is rejected as {self.reason!r}, which is no reason of ingest. Give one of {known}."
            )
        if not (self.key and self.member and self.detail):
            raise ValueError(f"{self!r} does not say all of key, member and detail. Fill them; a person looks there.")
