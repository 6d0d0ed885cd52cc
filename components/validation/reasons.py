"""Why a row is not passed on, in the order in which the first that applies is given.

A broken row counts against `gates.max_broken`: something is wrong with the data. A row set aside is sound, but would
make a test number mean less, or should not be learned. A row may also be kept and only told of, for a person to judge:
where that is a matter of taste, `gates.policy` in params.yaml decides.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from components.contracts.errors import ConfigError

Policy = Literal["keep", "drop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One code of quarantine.parquet.

    Args:
        meaning: what the report says of it.
        broken: whether it counts against the gate.
        policy: what is done unless params.yaml says otherwise: `keep` and tell, or `drop`; None where there is no choice.
    """

    meaning: str
    broken: bool = True
    policy: Policy | None = None


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
    "twin_in_train": Reason(
        meaning="a training picture equals another one, pixel for pixel", broken=False, policy="keep"
    ),
}
ORDER = {code: place for place, code in enumerate(REASONS)}


def kept_codes(policy: Mapping[str, Policy]) -> frozenset[str]:
    """Return the codes of which a row is kept and told of: by `policy` where it names them, else by REASONS.

    Raises ConfigError for a code of which there is no choice, and for what is neither keep nor drop.
    """
    free = {code: reason.policy for code, reason in REASONS.items() if reason.policy is not None}
    for code, said in policy.items():
        if code not in free:
            near = get_close_matches(code, list(free), n=1, cutoff=0)[0]
            why = "is always set aside" if code in REASONS else "is no reason of ours"
            raise ConfigError(
                f"gates.policy names {code!r}, which {why}. There is a choice for {', '.join(free)}; did you mean {near}?"
            )
        if said not in ("keep", "drop"):
            raise ConfigError(f"gates.policy has {code}: {said!r}. Say keep (told in the report) or drop (set aside).")
    return frozenset(code for code, done in (free | dict(policy)).items() if done == "keep")


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
