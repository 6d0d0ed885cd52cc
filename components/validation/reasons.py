"""Why a row is not passed on, in the order in which the first that applies is given.

A broken row counts against `gates.max_broken`: something is wrong with the data. A row set aside is sound, but would
make a test number mean less.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One code of quarantine.parquet.

    Args:
        meaning: what the report says of it.
        broken: whether it counts against the gate.
    """

    meaning: str
    broken: bool = True


REASONS = {
    "incomplete": Reason(meaning="a column that every row must have is empty"),
    "duplicate_key": Reason(meaning="several rows have this key, so none can be told from the others"),
    "split_unknown": Reason(meaning="the split is none that training or evaluation knows"),
    "source_unknown": Reason(meaning="the designer is none that the source declares"),
    "licence_unknown": Reason(meaning="the licence is none that the source declares"),
    "missing_member": Reason(meaning="the shard is missing, or ends before the picture does"),
    "digest_mismatch": Reason(meaning="the shard holds other bytes than the manifest's sha256 promises"),
    "no_picture": Reason(meaning="the picture's file is missing, empty, too large, or may not be read"),
    "undecodable": Reason(meaning="the bytes are no picture that can be decoded, or it holds too many pixels"),
    "size_out_of_bounds": Reason(meaning="the picture is too small to show anything, or too large"),
    "blank": Reason(meaning="the picture is one flat colour, or nearly invisible on white"),
    "caption_empty": Reason(meaning="there is no text, or one without a character"),
    "caption_too_long": Reason(meaning="a text is longer than a caption can be"),
    "caption_language": Reason(
        meaning="a text is in a language that the source does not declare, or in a script it is not written in"
    ),
    "duplicate_pixels": Reason(
        meaning="an evaluation picture equals another one, pixel for pixel, that is trained on or named otherwise",
        broken=False,
    ),
    "same_concept": Reason(
        meaning="the pool keeps one picture a concept, so that every query has one answer", broken=False
    ),
}
ORDER = {code: place for place, code in enumerate(REASONS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing found about one row.

    Args:
        row: place in the manifest, from 0.
        reason: a code of REASONS.
        detail: the value that was found, and what would have been right.
    """

    row: int
    reason: str
    detail: str


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
        firsts[row] = Finding(row=row, reason=first.reason, detail=detail)
    return firsts
