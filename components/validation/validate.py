"""From a raw snapshot to what may be trained on, what may be tested on, and what may not be used, and why.

Only the clean rows of train and val are written to `validated`: nothing before evaluation can even see a test row.
The same snapshot gives the same files, byte for byte.
"""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from components.contracts.errors import ConfigError, DataError, GateClosed, StaleArtifact
from components.contracts.progress import Progress, silent
from components.contracts.reasons import ORDER, REASONS
from components.contracts.sample import SPLITS, TEST_SPLITS
from components.data.kinds import read_kinds, write_rows
from components.data.manifest import read_manifest, snapshot_digest, write_manifest
from components.data.pictures import on_white
from components.data.quarantine import QuarantineWriter, in_order, read_quarantine
from components.data.shards import BrokenMember, ShardReader
from components.data.transforms.preprocess import BadImage
from components.validation.boxes import Boxes
from components.validation.card import dataset_card
from components.validation.check import Check, all_checks
from components.validation.examples import examples, named, odd_of
from components.validation.findings import Finding, first_findings
from components.validation.fit import Scores, Scoring, score_shards, told_of
from components.validation.kind_counts import kind_counts
from components.validation.kinds import run_kinds
from components.validation.measure_shards import measure_shards
from components.validation.page import render_page
from components.validation.policy import Policy, kept_codes
from components.validation.report import build_report
from components.validation.rows import Rows
from components.validation.rules import Declared, Limits
from components.validation.suite import run_suite
from components.validation.takedown import Takedown


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
    policy: Mapping[str, Policy] = MappingProxyType({}),
    takedown: Takedown = Takedown(),  # noqa: B008 -- frozen
    known_bad: Takedown = Takedown(),  # noqa: B008 -- frozen
    measured: pa.Table | None = None,
    processes: int = 0,
    scoring: Scoring | None = None,
) -> dict[str, Any]:
    """Write manifests, what was found and the report, and return report.json.

    `validated` gets manifest.parquet, the tables beside it of the same rows, quarantine.parquet, told.parquet, report.json,
    report.html and card.md; `evaluation` <pool>/manifest.parquet. What ingest set aside is carried on: it stands first in quarantine.parquet, and counts.
    `policy` says for a reason whether its rows are kept or dropped, see policy.py. `measured`, where somebody has it
    already, is what measure_shards() would find; None reads the pictures, by so many `processes`: no byte depends on that,
    and with 0 a picture that crashes the decoder ends us. `scoring` is the model that says how well words fit, see fit.py.
    Raises GateClosed when more than `max_broken` (a share from 0 to 1 of the records) is broken:
    the page is then left at `failed_report`, and nothing else is written. Raises DataError or StaleArtifact when the
    snapshot as a whole is not what source.json says.
    """
    if not 0 <= max_broken <= 1:
        raise ConfigError(
            f"gates.max_broken is {max_broken}, but it is a share of the samples: from 0 (none) to 1 (all)."
        )
    kept = kept_codes(policy)
    came_in, manifest = read_snapshot(raw)
    rejects = read_rejects(raw, came_in)
    if measured is None:
        measured = measure_shards(raw, manifest, progress, faces="face" in policy, processes=processes)
    decodable = measured["decodable"]
    scores = Scores(scoring)
    if scoring is not None:
        score_shards(scores, raw, manifest, decodable, progress)
    measured, fit = scores.into(measured)
    lines, findings = run_suite(manifest, measured, declared_by(came_in), limits)
    kinds = read_kinds(raw)
    more, of_kinds = run_kinds(kinds, manifest, came_in)
    lines, findings = [*lines, *more], [*findings, *of_kinds]
    progress("check rows", 1, 1)
    looked = Rows.of(manifest, measured, seed, takedown, known_bad, fit)
    quarantined, told = judge(looked, findings, all_checks(), kept)
    passed = manifest.take(pa.array(np.setdiff1d(np.arange(len(manifest)), list(quarantined)), pa.int64()))
    report = build_report(came_in, manifest, passed, quarantined, told, lines, max_broken) | told_of(fit, measured)
    report["kinds"] = kind_counts(kinds, passed)
    boxes = Boxes(kinds.get("regions"))
    with ShardReader(raw) as reader:

        def see(place: int, row: Mapping[str, Any]) -> Image.Image | None:  # what may harm us has been tried
            return boxes.on(row["key"], _see(reader, row)) if decodable[place].as_py() else None

        lost = examples(manifest, quarantined.values(), see, rejects)
        page = render_page(report, lost, examples(manifest, told, see), odd_of(kinds, manifest, passed, see))
    if report["gate"] == "closed":
        failed_report.parent.mkdir(parents=True, exist_ok=True)
        failed_report.write_text(page, encoding="utf-8")
        raise GateClosed(_closed(report, failed_report))
    _write(validated, evaluation, passed)
    write_rows(kinds, read_manifest(validated / "manifest.parquet"), validated)
    for name, its in (
        ("quarantine", [*rejects, *named(manifest, quarantined.values(), _member)]),
        ("told", named(manifest, told, _member)),
    ):
        with QuarantineWriter(validated / f"{name}.parquet") as table:
            table.add_rows(its)
    (validated / "report.json").write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    card = dataset_card(came_in, report, passed, policy)
    (validated / "card.md").write_text(card, encoding="utf-8")
    (validated / "report.html").write_text(page, encoding="utf-8")
    progress("write manifests", 1, 1)
    return report


def judge(
    rows: Rows, found: Sequence[Finding], checks: Sequence[Check], kept: Collection[str]
) -> tuple[dict[int, Finding], list[Finding]]:
    """Return why which rows are not passed on, and what is told of those that are, both by place.

    `found` is what the suites found, `kept` are the reasons that are only told of. Each check is asked about the rows that
    those before it left.
    """
    quarantined = first_findings([finding for finding in found if finding.reason not in kept])
    told = [finding for finding in found if finding.reason in kept]
    for check in checks:
        rows = rows.without(quarantined)
        more = check.find(rows)
        quarantined |= first_findings([finding for finding in more if finding.reason not in kept])
        told += [finding for finding in more if finding.reason in kept]
    still = {(finding.row, finding.reason): finding for finding in told if finding.row not in quarantined}
    return dict(sorted(quarantined.items())), sorted(still.values(), key=lambda one: (one.row, ORDER[one.reason]))


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


def _write(validated: Path, evaluation: Path, passed: pa.Table) -> None:
    def of(*splits: str) -> pa.Table:
        return passed.filter(pc.is_in(passed["split"], pa.array(splits, pa.string())))

    validated.mkdir(parents=True, exist_ok=True)
    write_manifest(of(*(split for split in SPLITS if split not in TEST_SPLITS)), validated / "manifest.parquet")
    for split in TEST_SPLITS:
        write_manifest(of(split), evaluation / split / "manifest.parquet")


def _member(row: Mapping[str, Any]) -> str:
    return f"{row['shard']}@{row['offset']}"


def _see(reader: ShardReader, row: Mapping[str, Any]) -> Image.Image | None:
    try:
        return on_white(reader.read(row))
    except (BrokenMember, BadImage):
        return None


def _closed(report: Mapping[str, Any], page: Path) -> str:
    most = sorted((its["rows"], code) for code, its in report["reasons"].items() if REASONS[code].broken)[::-1][:3]
    reasons = ", ".join(f"{code} ({rows:,})" for rows, code in most)
    return (
        f"{report['broken']:,} of {report['rows_in']:,} samples are broken ({report['broken_share']:.2%}), and gates.max_broken "
        f"allows {report['max_broken']:.2%}: mostly {reasons}. Nothing is trained on them. Look at {page}, mend the source and "
        "ingest again; or, to go on without those samples, raise gates.max_broken in params.yaml."
    )
