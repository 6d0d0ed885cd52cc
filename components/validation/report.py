"""What ingest and validation found, as plain numbers: report.json. Every record is counted in exactly one place."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from components.contracts.errors import DataError
from components.contracts.reasons import REASONS
from components.contracts.sample import SPLITS, TEST_SPLITS
from components.data.quarantine import in_order
from components.validation.findings import Finding
from components.validation.suite import Check

AT_INGEST = "none: set aside at ingest"  # stands where a split would
CAPTION_BINS = (10, 20, 30, 40, 60, 80, 120, 200, 300)  # characters, upper ends, inclusive


def build_report(
    came_in: Mapping[str, Any],
    manifest: pa.Table,
    kept: Mapping[int, Mapping[str, Any]],
    quarantined: Mapping[int, Finding],
    checks: Sequence[Check],
    max_broken: float,
    twins_in_train: int,
) -> dict[str, Any]:
    """Return report.json. DataError when rows in are not clean + pools + quarantined: a fault of ours, never passed on.

    Rows in and quarantined are those of both steps; `ingest` says how many came to the first, and what it set aside.

    Args:
        came_in: source.json.
        manifest: all rows.
        kept: place -> row of those passed on.
        quarantined: place -> why not.
        checks: lines of the suite.
        max_broken: the gate, a share of rows in.
        twins_in_train: pictures of train with a twin in train, kept.
    """
    splits = manifest["split"].to_pylist()
    rejected = Counter(came_in["rejected"])
    reasons = Counter(finding.reason for finding in quarantined.values()) + rejected
    broken = sum(count for reason, count in reasons.items() if REASONS[reason].broken)
    by_split = {
        split: {
            "rows_in": splits.count(split),
            "kept": sum(row["split"] == split for row in kept.values()),
            "reasons": in_order(Counter(f.reason for place, f in quarantined.items() if splits[place] == split)),
        }
        for split in (*SPLITS, *sorted({str(split) for split in splits} - set(SPLITS)))
    }
    if rejected:
        by_split[AT_INGEST] = {"rows_in": rejected.total(), "kept": 0, "reasons": in_order(rejected)}
    share = broken / came_in["rows_in"]
    report = {
        "source": came_in["source"]["name"],
        "without": dict(came_in["source"].get("without", {})),
        "digest": came_in["digest"],
        "rows_in": came_in["rows_in"],
        "ingest": {name: came_in[name] for name in ("rows_in", "samples", "quarantined", "rejected")},
        "clean": sum(row["split"] not in TEST_SPLITS for row in kept.values()),
        "pools": sum(row["split"] in TEST_SPLITS for row in kept.values()),
        "quarantined": len(quarantined) + rejected.total(),
        "broken": broken,
        "broken_share": share,
        "max_broken": max_broken,
        "gate": "closed" if share > max_broken else "open",
        "splits": by_split,
        "reasons": {
            code: {"rows": count, "broken": REASONS[code].broken, "meaning": REASONS[code].meaning}
            for code, count in in_order(reasons).items()
        },
        "twins_in_train": twins_in_train,
        "checks": [asdict(check) for check in checks],
        "captions": _captions(kept),
        "languages": _languages(kept),
    }
    if report["rows_in"] != report["clean"] + report["pools"] + report["quarantined"]:
        raise DataError(
            f"{report['rows_in']} rows came in, but {report['clean']} clean, {report['pools']} in pools and "
            f"{report['quarantined']} quarantined do not add up to them. This is a fault in validation; please report it."
        )
    return report


def _captions(kept: Mapping[int, Mapping[str, Any]]) -> dict[str, int]:
    """Return "1 to 10" -> texts of that many characters, over the rows that are kept."""
    lengths = Counter(
        next((end for end in CAPTION_BINS if len(text["text"]) <= end), None)
        for row in kept.values()
        for text in row["texts"]
    )
    starts = (1, *(end + 1 for end in CAPTION_BINS[:-1]))
    bins = {f"{start} to {end}": lengths[end] for start, end in zip(starts, CAPTION_BINS, strict=True)}
    return bins | ({f"more than {CAPTION_BINS[-1]}": lengths[None]} if lengths[None] else {})


def _languages(kept: Mapping[int, Mapping[str, Any]]) -> dict[str, int]:
    return dict(sorted(Counter(text["lang"] for row in kept.values() for text in row["texts"]).items()))
