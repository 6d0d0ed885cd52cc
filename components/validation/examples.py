"""Rows of what was found, for quarantine.parquet and, a few of each reason, for people to look at."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from components.contracts.reasons import ORDER
from components.data.beside import rows_of
from components.data.personal import masked
from components.validation.findings import Finding
from components.validation.kind_counts import oddest
from components.validation.page import Example

EXAMPLES = 8  # shown of each reason

See = Callable[[int, Mapping[str, Any]], Image.Image | None]
"""From a row's place in the manifest, and the row, to its picture on white; None where there is nothing to see."""


def named(
    manifest: pa.Table, findings: Collection[Finding], member: Callable[[Mapping[str, Any]], str]
) -> list[dict[str, str]]:
    """Return a row of quarantine.parquet for each; `member` says of key, shard and offset where the picture lies."""
    places = pa.array([finding.row for finding in findings], pa.int64())
    where = manifest.select(["key", "shard", "offset"]).take(places).to_pylist()
    return [
        {"key": row["key"], "member": member(row), "reason": finding.reason, "detail": finding.detail}
        for row, finding in zip(where, findings, strict=True)
    ]


def examples(
    manifest: pa.Table, findings: Iterable[Finding], see: See, rejects: Sequence[Mapping[str, str]] = (),
    where: str = "split",
) -> dict[str, list[Example]]:  # fmt: skip
    """Return a few rows of each reason, in the order of the reasons, with what can be seen of them.

    `where` is the column that stands behind the key, for a person to find the row.
    """
    by_reason: dict[str, list[Finding | Mapping[str, str]]] = {}
    for finding in sorted(findings, key=lambda one: -one.weight):
        by_reason.setdefault(finding.reason, []).append(finding)
    for reject in rejects:
        by_reason.setdefault(reject["reason"], []).append(reject)
    return {
        reason: [
            _seen(manifest, one.row, one.detail, see, where) if isinstance(one, Finding) else _unseen(one)
            for one in by_reason[reason][:EXAMPLES]
        ]
        for reason in sorted(by_reason, key=ORDER.__getitem__)
    }


def odd_of(
    kinds: Mapping[str, pa.Table], manifest: pa.Table, passed: pa.Table, see: See, where: str = "split"
) -> dict[str, list[Example]]:
    """Return kind -> the oddest of its samples that are kept, with what can be seen of them; `where` as of examples."""
    found = {}
    for kind, table in kinds.items():
        odd = oddest(kind, rows_of(table, passed), EXAMPLES)
        places = pc.index_in(pa.array(odd, pa.string()), manifest["key"].combine_chunks()).to_pylist()
        shown = zip(places, odd.values(), strict=True)
        found[kind] = [_seen(manifest, at, detail, see, where) for at, detail in shown]
    return found


def _unseen(reject: Mapping[str, str]) -> Example:
    return Example(key=reject["key"], split=reject["member"], caption="", detail=reject["detail"], picture=None)


def _seen(manifest: pa.Table, place: int, detail: str, see: See, where: str) -> Example:
    row = manifest.slice(place, 1).to_pylist()[0]
    caption = next((text["text"] for text in row["texts"] or () if text["text"]), "")
    return Example(
        key=str(row["key"]), split=str(row[where]), caption=masked(caption), detail=detail,
        picture=see(place, row),
    )  # fmt: skip
