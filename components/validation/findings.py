"""What validation found about rows, and which of it is given as the reason."""

from dataclasses import dataclass, replace

from components.contracts.reasons import ORDER


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing found about one row.

    Args:
        row: place in the manifest, from 0.
        reason: a code of REASONS.
        detail: the value that was found, and what would have been right.
        weight: the heavier of a reason are shown first.
    """

    row: int
    reason: str
    detail: str
    weight: float = 0.0


def first_findings(findings: list[Finding]) -> dict[int, Finding]:
    """Return row -> its finding of the earliest reason, rows ascending; further reasons are named in its detail."""
    by_row: dict[int, list[Finding]] = {}
    for finding in findings:
        by_row.setdefault(finding.row, []).append(finding)
    firsts = {}
    for row, found in sorted(by_row.items()):
        found.sort(key=lambda finding: ORDER[finding.reason])
        first = found[0]
        others = dict.fromkeys(other.reason for other in found if other.reason != first.reason)
        detail = first.detail + (f"; also {', '.join(others)}" if others else "")
        firsts[row] = replace(first, detail=detail)
    return firsts
