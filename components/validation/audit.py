"""Data as it lies, read and checked before anything is made of it: what is clean, what is not, and why.

The reading of ingest and the checks of validation, without shards, splits or a gate: every picture is decoded once, nothing
is copied. What is said of a row is what `diptych run` would say of it where it is asked the same (components/validation/asked.py),
but for what depends on the split: all rows of own data count as trained on here, so copies are looked for among all of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from components.contracts.progress import Progress, silent
from components.contracts.reasons import ORDER
from components.contracts.reject import Reject
from components.contracts.sample import Sample
from components.contracts.source import Source, Unsplit
from components.data.admission import Admitted
from components.data.manifest import write_manifest
from components.data.new_folder import new_folder
from components.data.quarantine import QuarantineWriter
from components.data.thumbnail import Thumbnails
from components.validation.asked import Asked
from components.validation.boxes import Boxes
from components.validation.by_column import run_rules
from components.validation.check import all_checks
from components.validation.examples import examples, named, odd_of
from components.validation.findings import Finding
from components.validation.fit import Scores, told_of
from components.validation.gathered import Gathered
from components.validation.kind_counts import kind_counts
from components.validation.kinds import run_kinds
from components.validation.lines import Line
from components.validation.looking import Looked, Looking, look_through
from components.validation.needs import needs_report
from components.validation.page import render_page
from components.validation.policy import kept_codes
from components.validation.report import build_report
from components.validation.rows import Rows
from components.validation.rules import Limits
from components.validation.validate import declared_by, judge

FILES = ("manifest.parquet", "quarantine.parquet", "told.parquet", "report.html")
Row = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What was found.

    Args:
        report: as report.json of validation has it, with no gate.
        quarantined: rows of quarantine.parquet.
        told: rows of told.parquet, of what is kept.
        captioned: whether any sample has a caption; where none has, that is only told of.
    """

    report: Mapping[str, Any]
    quarantined: Sequence[Row]
    told: Sequence[Row]
    captioned: bool


def audit(
    source: Source,
    out: Path,
    progress: Progress = silent,
    limits: Limits = Limits(),  # noqa: B008 -- frozen
    processes: int = 0,
    asked: Asked = Asked(),  # noqa: B008 -- frozen
) -> Audit:
    """Write FILES to `out`, which is a new or empty folder, all of them or none.

    What `asked.admit` refuses is a row of quarantine.parquet, also where the run would stop at one. No byte depends on how
    many `processes` look at pictures; with 0, a picture that crashes the decoder ends us.
    manifest.parquet has the clean rows; its `shard` is the picture's name as its owner knows it, its `offset` 0.
    Raises DataError when `out` holds something already, Busy when another process writes it, and what the source raises where
    there is nothing to read.
    """
    kept = kept_codes(asked.policy)
    with new_folder(out) as folder, Thumbnails(folder) as thumbnails:
        seen = Gathered(thumbnails)
        scores = Scores(asked.scoring)
        admitted = Admitted(source, replace(asked.admit, otherwise="drop"), processes)
        records = admitted.only(_records(source, asked.seed, progress))
        looking = Looking(faces="face" in asked.policy, thumbnails=True)
        with closing(look_through(records, looking, processes)) as looked:
            for one in looked:
                seen.add(one)
                _score(scores, one)
        manifest, measured = seen.tables()
        measured, fit = scores.into(measured)
        came_in = seen.came_in(admitted.describe(), manifest)
        lines, findings = run_rules(manifest, measured, declared_by(came_in), limits) if len(manifest) else _NOTHING
        kinds = seen.kinds()
        if kinds:  # Great Expectations takes seconds to begin, so other data does without
            more, of_kinds = run_kinds(kinds, manifest, came_in)
            lines, findings = [*lines, *more], [*findings, *of_kinds]
        broken = findings if seen.captioned else [one for one in findings if one.reason != "no_caption"]
        progress("check rows", 1, 2)
        rows = Rows.of(manifest, measured, asked.seed, asked.takedown, asked.known_bad, fit)
        quarantined, told = judge(rows, broken, all_checks(), kept) if len(manifest) else ({}, [])
        if not seen.captioned:
            wordless = [one for one in findings if one.reason == "no_caption" and one.row not in quarantined]
            told = sorted([*told, *wordless], key=lambda one: (one.row, ORDER[one.reason]))
        passed = manifest.take(pa.array(np.setdiff1d(np.arange(len(manifest)), list(quarantined)), pa.int64()))
        report = build_report(came_in, manifest, passed, quarantined, told, lines, max_broken=None)
        report |= told_of(fit, measured)
        report["kinds"] = kind_counts(kinds, passed)
        report["needs"] = needs_report(asked.needs, passed, kinds)
        found = Audit(
            report=report, quarantined=[*seen.rejects, *named(manifest, quarantined.values(), _member)],
            told=named(manifest, told, _member), captioned=seen.captioned or not len(manifest),
        )  # fmt: skip

        page = _page(found, manifest, quarantined, told, passed, kinds, thumbnails)
        (folder / "report.html").write_text(page, encoding="utf-8")
        write_manifest(passed, folder / "manifest.parquet")
        for name, its in (("quarantine", found.quarantined), ("told", found.told)):
            with QuarantineWriter(folder / f"{name}.parquet") as table:
                table.add_rows(its)
        progress("check rows", 2, 2)
    return found


def _page(
    found: Audit,
    manifest: pa.Table,
    quarantined: Mapping[int, Finding],
    told: Sequence[Finding],
    passed: pa.Table,
    kinds: Mapping[str, pa.Table],
    thumbnails: Thumbnails,
) -> str:
    """Return report.html, with what can be seen of a few rows."""
    boxes = Boxes(kinds.get("regions"))

    def see(place: int, row: Mapping[str, Any]) -> Image.Image | None:
        return boxes.on(row["key"], thumbnails.open(place))

    rejects = found.quarantined[: len(found.quarantined) - len(quarantined)]
    lost = examples(manifest, quarantined.values(), see, rejects, where="shard")
    kept = examples(manifest, told, see, where="shard")
    return render_page(found.report, lost, kept, odd_of(kinds, manifest, passed, see, where="shard"))


_NOTHING: tuple[list[Line], list[Finding]] = ([], [])


def _records(source: Source, seed: int, progress: Progress) -> Iterator[Sample | Reject]:
    """Return the records as they lie, where the source can give them so; else as they are trained on."""
    return source.unsplit(progress) if isinstance(source, Unsplit) else source.samples(seed, progress)


def _score(scores: Scores, one: tuple[Sample, Looked] | Reject) -> None:
    """Have a row scored, without its picture where that harms, or cannot be decoded."""
    if not isinstance(one, Reject):
        sample, looked = one
        scores.add(sample.media[0].data if looked.measured.decodable else None, [text.text for text in sample.texts])


def _member(row: Mapping[str, Any]) -> str:
    return str(row["shard"])
