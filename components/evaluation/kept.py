"""What evaluators found, as files: numbers, why others are missing, a row a query, and what they leave for others."""

import json
import os
import shutil
from pathlib import Path

import pyarrow.parquet as pq

from components.contracts.evaluate import Metric, Tally
from components.contracts.evaluator import Evaluator, Findings, Subject

METRICS, WITHOUT, ROWS = "metrics.json", "without.json", "rows"


def write(found: Findings, out: Path) -> None:
    """Write metrics.json, without.json, rows/<name>.parquet and the files that evaluators leave to an empty folder."""
    (out / ROWS).mkdir()
    for name, table in found.rows.items():
        pq.write_table(table, out / ROWS / f"{name}.parquet")
    named = {metric.name: metric.as_json() for metric in found.metrics}
    for file, value in {**found.files, METRICS: named, WITHOUT: dict(found.without)}.items():
        (out / file).write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read(folder: Path) -> Findings:
    """Return what was written to a folder."""
    said = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}
    metrics, without = said.pop(METRICS), said.pop(WITHOUT)
    return Findings(
        metrics=tuple(_metric(name, values) for name, values in metrics.items()), without=without, files=said,
        rows={path.stem: pq.read_table(path) for path in sorted((folder / ROWS).glob("*.parquet"))},
    )  # fmt: skip


def _metric(name: str, values: dict[str, object]) -> Metric:
    tallies = tuple(Tally(**one) for one in values.pop("tallies", ()))  # type: ignore[attr-defined]  # a list of mappings
    return Metric(name=name, tallies=tallies, **values)  # type: ignore[arg-type]  # what as_json gave


def once(evaluator: Evaluator, subject: Subject, folder: Path | None) -> Findings:
    """Return what an evaluator finds, kept in a folder, so that whoever is interrupted between two of them goes on with the next.

    Args:
        folder: where it is kept, or was; None to keep nothing.
    """
    if folder is None:
        return evaluator.measure(subject)
    if folder.exists():
        return read(folder)
    found = evaluator.measure(subject)
    half = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    write(found, half)
    half.rename(folder)
    return found
