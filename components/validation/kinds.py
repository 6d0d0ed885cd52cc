"""The Great Expectations suite of one kind of data: the rows of its table, each beside what the manifest has of its sample."""

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from components.contracts.errors import StaleArtifact
from components.data.beside import Kind
from components.data.kinds import KINDS
from components.validation.documents import documents_suite
from components.validation.findings import Finding
from components.validation.held import Expect, Held, run_held
from components.validation.lines import Line
from components.validation.regions import regions_suite
from components.validation.series import series_suite
from components.validation.spans import spans_suite

SUITES: Mapping[str, Callable[[Expect], None]] = {
    "documents": documents_suite, "regions": regions_suite, "spans": spans_suite, "series": series_suite,
}  # fmt: skip
_BESIDE = ("split", "width", "height")  # of the manifest, of use in a suite


def run_kinds(
    tables: Mapping[str, pa.Table], manifest: pa.Table, came_in: Mapping[str, Any]
) -> tuple[list[Line], list[Finding]]:
    """Return the checks of every kind in order, and a finding for every row of the manifest that failed one.

    Raises StaleArtifact when a table does not belong to the manifest, DataError when a check could not be run.
    """
    lines, findings = list[Line](), list[Finding]()
    for kind in KINDS:
        counted = came_in.get(kind.name, {})
        if kind.name not in tables and not counted:
            continue
        rows = tables.get(kind.name, kind.schema.empty_table())
        more, found = run_kind(kind, rows, manifest, counted.get(kind.counted[1]))
        lines, findings = [*lines, *more], [*findings, *found]
    return lines, findings


def run_kind(kind: Kind, table: pa.Table, manifest: pa.Table, rows: int | None) -> tuple[list[Line], list[Finding]]:
    """Return the same for one kind; `rows` that source.json says its table has."""
    places = pc.index_in(table["key"], manifest["key"])
    if len(table) != rows or places.null_count:
        raise StaleArtifact(
            f"{kind.file} has {len(table):,} rows, {places.null_count:,} of them of no sample, and source.json says "
            f"{rows}: one of them was changed after ingest. Restore them with `dvc checkout`, or ingest again."
        )
    table = table.append_column("row", places)
    for name in _BESIDE:
        if name in manifest.column_names:
            table = table.append_column(name, manifest[name].take(places))
    held = Held()
    SUITES[kind.name](held.expect)
    return run_held(kind.name, held, table)
