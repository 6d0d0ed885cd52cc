"""What validation found, as plain numbers: report.json. Every row that came in is counted in exactly one place."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.contracts.errors import DataError
from components.contracts.reasons import REASONS
from components.contracts.sample import SPLITS, TEST_SPLITS
from components.data.quarantine import in_order
from components.validation.findings import Finding
from components.validation.lines import Line

AT_INGEST = "none: set aside at ingest"  # stands where a split would
CAPTION_BINS = (10, 20, 30, 40, 60, 80, 120, 200, 300)  # characters, upper ends, inclusive


def build_report(
    came_in: Mapping[str, Any],
    manifest: pa.Table,
    kept: pa.Table,
    quarantined: Mapping[int, Finding],
    told: Sequence[Finding],
    lines: Sequence[Line],
    max_broken: float | None,
) -> dict[str, Any]:
    """Return report.json. DataError when rows in are not clean + pools + quarantined: a fault of ours, never passed on.

    Args:
        came_in: source.json.
        manifest: all rows.
        kept: those passed on.
        quarantined: place -> why not.
        told: what was found of rows that are kept.
        lines: of the suite.
        max_broken: the gate, a share of rows in; None where nothing follows that could be held up.
    """
    splits = manifest["split"].to_pylist()
    rejected = Counter(came_in["rejected"])
    reasons = Counter(finding.reason for finding in quarantined.values()) + rejected
    broken = sum(count for reason, count in reasons.items() if REASONS[reason].broken)
    in_split, kept_of = Counter(splits), Counter(kept["split"].to_pylist())
    by_split = {
        split: {
            "rows_in": in_split[split],
            "kept": kept_of[split],
            "reasons": in_order(Counter(f.reason for place, f in quarantined.items() if splits[place] == split)),
        }
        for split in (*SPLITS, *sorted({str(split) for split in splits} - set(SPLITS)))
    }
    if rejected:
        by_split[AT_INGEST] = {"rows_in": rejected.total(), "kept": 0, "reasons": in_order(rejected)}
    share = broken / came_in["rows_in"]
    texts = pc.list_flatten(kept["texts"].combine_chunks())
    report = {
        "source": came_in["source"]["name"],
        "without": dict(came_in["source"].get("without", {})),
        "digest": came_in["digest"],
        "rows_in": came_in["rows_in"],
        "ingest": {name: came_in[name] for name in ("rows_in", "samples", "quarantined", "rejected")},
        "clean": sum(count for split, count in kept_of.items() if split not in TEST_SPLITS),
        "pools": sum(count for split, count in kept_of.items() if split in TEST_SPLITS),
        "quarantined": len(quarantined) + rejected.total(),
        "broken": broken,
        "broken_share": share,
        "max_broken": max_broken,
        "gate": None if max_broken is None else "closed" if share > max_broken else "open",
        "splits": by_split,
        "reasons": {
            code: {"rows": count, "broken": REASONS[code].broken, "meaning": REASONS[code].meaning}
            for code, count in in_order(reasons).items()
        },
        "told": {
            code: {"rows": count, "meaning": REASONS[code].meaning}
            for code, count in in_order(Counter(finding.reason for finding in told)).items()
        },
        "checks": [asdict(line) for line in lines],
        "captions": _captions(texts.field("text")),
        "languages": _counts(texts.field("lang")),
    }
    if report["rows_in"] != report["clean"] + report["pools"] + report["quarantined"]:
        raise DataError(
            f"{report['rows_in']} rows came in, but {report['clean']} clean, {report['pools']} in pools and "
            f"{report['quarantined']} quarantined do not add up to them. This is a fault in validation; please report it."
        )
    return report


def _captions(texts: pa.Array) -> dict[str, int]:
    """Return "1 to 10" -> texts of that many characters."""
    lengths = np.asarray(pc.utf8_length(texts), np.int64)
    counts = np.bincount(np.searchsorted(CAPTION_BINS, lengths), minlength=len(CAPTION_BINS) + 1).tolist()
    starts = (1, *(end + 1 for end in CAPTION_BINS[:-1]))
    bins = {f"{start} to {end}": count for start, end, count in zip(starts, CAPTION_BINS, counts, strict=False)}
    return bins | ({f"more than {CAPTION_BINS[-1]}": counts[-1]} if counts[-1] else {})


def _counts(values: pa.Array) -> dict[str, int]:
    return dict(sorted((one["values"], one["counts"]) for one in pc.value_counts(values).to_pylist()))
