"""From a raw snapshot to what may be trained on, what may be tested on, and what may not be used, and why.

Only the clean rows of train and val are written to `validated`: nothing before evaluation can even see a test row.
The same snapshot gives the same files, byte for byte.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from components.contracts.errors import ConfigError, DataError, GateClosed, StaleArtifact
from components.contracts.progress import Progress, silent
from components.contracts.reasons import ORDER, REASONS
from components.contracts.sample import SPLITS, TEST_SPLITS
from components.data.manifest import read_manifest, snapshot_digest, write_manifest
from components.data.pictures import on_white
from components.data.quarantine import QuarantineWriter, in_order, read_quarantine
from components.data.shards import BrokenMember, ShardReader
from components.data.transforms.preprocess import BadImage
from components.validation.findings import Finding, first_findings
from components.validation.measure import measure
from components.validation.page import Example, render_page
from components.validation.pools import count_twins_in_train, find_seconds, find_twins
from components.validation.report import build_report
from components.validation.suite import Declared, Limits, run_suite

EXAMPLES = 8  # shown of each reason


def validate(
    raw: Path,
    validated: Path,
    evaluation: Path,
    *,
    max_broken: float,
    seed: int,
    failed_report: Path,
    progress: Progress = silent,
    limits: Limits = Limits(),  # noqa: B008 -- frozen
) -> dict[str, Any]:
    """Write `validated`/{manifest.parquet, quarantine.parquet, report.json, report.html} and `evaluation`/<pool>/manifest.parquet.

    What ingest set aside is carried on: it stands first in quarantine.parquet, and counts in report.json.
    Returns report.json. Raises GateClosed when more than `max_broken` (a share from 0 to 1 of the records) is broken:
    the page is then left at `failed_report`, and nothing else is written. Raises DataError or StaleArtifact when the
    snapshot as a whole is not what source.json says.
    """
    if not 0 <= max_broken <= 1:
        raise ConfigError(
            f"gates.max_broken is {max_broken}, but it is a share of the samples: from 0 (none) to 1 (all)."
        )
    came_in, manifest = read_snapshot(raw)
    rejects = read_rejects(raw, came_in)
    measured = measure(raw, manifest, progress)
    checks, findings = run_suite(manifest, measured, declared_by(came_in), limits)
    progress("check rows", 1, 1)
    broken = first_findings(findings)
    sound = {place: row for place, row in enumerate(manifest.to_pylist()) if place not in broken}
    fingerprints = [one.pixel_sha256 for one in measured]
    twins = first_findings(find_twins(sound, fingerprints))
    seconds = first_findings(find_seconds({place: row for place, row in sound.items() if place not in twins}, seed))
    quarantined = dict(sorted((broken | twins | seconds).items()))
    kept = {place: row for place, row in sound.items() if place not in quarantined}
    report = build_report(
        came_in, manifest, kept, quarantined, checks, max_broken, count_twins_in_train(kept, fingerprints)
    )
    page = render_page(report, _examples(raw, manifest, rejects, quarantined))
    if report["gate"] == "closed":
        failed_report.parent.mkdir(parents=True, exist_ok=True)
        failed_report.write_text(page, encoding="utf-8")
        raise GateClosed(_closed(report, failed_report))
    _write(validated, evaluation, manifest, kept, rejects, quarantined)
    (validated / "report.json").write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (validated / "report.html").write_text(page, encoding="utf-8")
    progress("write manifests", 1, 1)
    return report


def read_snapshot(raw: Path) -> tuple[dict[str, Any], pa.Table]:
    """Return source.json and the manifest; StaleArtifact when the manifest is not the one that source.json was written with."""
    manifest = read_manifest(raw / "manifest.parquet")
    try:
        came_in = json.loads((raw / "source.json").read_text(encoding="utf-8"))
        promised = came_in["digest"]
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise DataError(
            f"{raw / 'source.json'} cannot be read ({err!r}), so nobody knows what came in. Ingest again."
        ) from err
    if not len(manifest):
        raise DataError(f"{raw / 'manifest.parquet'} has no rows. Ingest again, and look at the source in params.yaml.")
    if snapshot_digest(manifest) != promised:
        raise StaleArtifact(
            f"{raw / 'manifest.parquet'} is not the manifest that source.json was written with (its rows have another digest). "
            "Restore both with `dvc checkout`, or ingest again."
        )
    return came_in, manifest


def read_rejects(raw: Path, came_in: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the rows of what did not come in; StaleArtifact when they are not those that source.json counts."""
    rows = read_quarantine(raw / "quarantine.parquet")
    try:
        promised, _ = dict(came_in["rejected"]), int(came_in["rows_in"])
    except (KeyError, TypeError, ValueError) as err:
        raise DataError(
            f"{raw / 'source.json'} does not say how many records came in, and what was set aside ({err!r}). Ingest again."
        ) from err
    found = in_order(Counter(row["reason"] for row in rows))
    if found != promised:
        raise StaleArtifact(
            f"{raw / 'quarantine.parquet'} has the rows {found}, but source.json says that {promised} were set aside: one of "
            "them was changed after ingest. Restore both with `dvc checkout`, or ingest again."
        )
    return rows


def declared_by(came_in: Mapping[str, Any]) -> Declared:
    """Return what the rows may hold by source.json; DataError when it does not say."""
    try:
        source = came_in["source"]
        return Declared(
            designers=sorted(source["designers"]),
            licences=sorted(source.get("licences") or set(source["designers"].values())),
            languages=sorted(source["languages"]),
            samples=int(came_in["samples"]),
        )
    except (KeyError, TypeError, AttributeError) as err:
        raise DataError(
            f"source.json does not say {err}: designers with their licences, languages and samples are needed to check rows. "
            "Let the source's describe() return them, and ingest again."
        ) from err


def _write(
    validated: Path,
    evaluation: Path,
    manifest: pa.Table,
    kept: Mapping[int, Mapping[str, Any]],
    rejects: Sequence[Mapping[str, str]],
    quarantined: Mapping[int, Finding],
) -> None:
    def places(*splits: str) -> list[int]:
        return [place for place, row in kept.items() if row["split"] in splits]

    validated.mkdir(parents=True, exist_ok=True)
    trained_on = [split for split in SPLITS if split not in TEST_SPLITS]
    write_manifest(manifest.take(pa.array(places(*trained_on), pa.int64())), validated / "manifest.parquet")
    for split in TEST_SPLITS:
        write_manifest(manifest.take(pa.array(places(split), pa.int64())), evaluation / split / "manifest.parquet")
    where = manifest.select(["key", "shard", "offset"]).to_pylist()
    rows = [
        {
            "key": where[place]["key"],
            "member": f"{where[place]['shard']}@{where[place]['offset']}",
            "reason": finding.reason,
            "detail": finding.detail,
        }
        for place, finding in quarantined.items()
    ]
    with QuarantineWriter(validated / "quarantine.parquet") as quarantine:
        quarantine.add_rows([*rejects, *rows])


def _examples(
    raw: Path, manifest: pa.Table, rejects: Sequence[Mapping[str, str]], quarantined: Mapping[int, Finding]
) -> dict[str, list[Example]]:
    """Return a few rows of each reason, in the order of the reasons, with what can be seen of them."""
    by_reason: dict[str, list[Finding | Mapping[str, str]]] = {}
    for finding in quarantined.values():
        by_reason.setdefault(finding.reason, []).append(finding)
    for reject in rejects:
        by_reason.setdefault(reject["reason"], []).append(reject)
    with ShardReader(raw) as reader:
        return {
            reason: [
                _example(reader, manifest, one) if isinstance(one, Finding) else _unseen(one)
                for one in by_reason[reason][:EXAMPLES]
            ]
            for reason in sorted(by_reason, key=ORDER.__getitem__)
        }


def _unseen(reject: Mapping[str, str]) -> Example:
    return Example(key=reject["key"], split=reject["member"], caption="", detail=reject["detail"], picture=None)


def _example(reader: ShardReader, manifest: pa.Table, finding: Finding) -> Example:
    row = manifest.slice(finding.row, 1).to_pylist()[0]
    try:
        picture = on_white(reader.read(row))
    except (BrokenMember, BadImage):
        picture = None
    caption = next((text["text"] for text in row["texts"] or () if text["text"]), "")
    return Example(
        key=str(row["key"]), split=str(row["split"]), caption=caption, detail=finding.detail, picture=picture
    )


def _closed(report: Mapping[str, Any], page: Path) -> str:
    most = sorted((its["rows"], code) for code, its in report["reasons"].items() if REASONS[code].broken)[::-1][:3]
    reasons = ", ".join(f"{code} ({rows:,})" for rows, code in most)
    return (
        f"{report['broken']:,} of {report['rows_in']:,} samples are broken ({report['broken_share']:.2%}), and gates.max_broken "
        f"allows {report['max_broken']:.2%}: mostly {reasons}. Nothing is trained on them. Look at {page}, mend the source and "
        "ingest again; or, to go on without those samples, raise gates.max_broken in params.yaml."
    )
