"""The Great Expectations suite of one kind of data: the rows of its table, each beside what the manifest has of its sample."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.contracts.errors import DataError, StaleArtifact
from components.data.beside import Kind, read_kind
from components.data.kinds import KINDS
from components.validation.documents import documents_suite
from components.validation.findings import Finding
from components.validation.held import Expect, Held
from components.validation.lines import Line
from components.validation.regions import regions_suite
from components.validation.spans import spans_suite

SUITES: Mapping[str, Callable[[Expect], None]] = {
    "documents": documents_suite, "regions": regions_suite, "spans": spans_suite,
}  # fmt: skip
_BESIDE = ("split", "width", "height")  # of the manifest, of use in a suite


def read_kinds(raw: Path) -> dict[str, pa.Table]:
    """Return kind -> its table, of the kinds that a snapshot has. DataError as of read_kind."""
    found = {kind.name: read_kind(raw, kind) for kind in KINDS}
    return {name: table for name, table in found.items() if table is not None}


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


def run_held(name: str, held: Held, table: pa.Table) -> tuple[list[Line], list[Finding]]:
    """Return what came of expectations about a table of which the column `row` is the place in the manifest."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")  # read at import
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("snapshot").add_dataframe_asset(name)
    batch = asset.add_batch_definition_whole_dataframe("all")
    suite = context.suites.add(gx.ExpectationSuite(name=name, expectations=held.expectations))
    definition = gx.ValidationDefinition(name=name, data=batch, suite=suite)
    outcome = context.validation_definitions.add(definition).run(
        batch_parameters={"dataframe": table.to_pandas()},
        result_format={
            "result_format": "COMPLETE",
            "unexpected_index_column_names": ["row"],
            "return_unexpected_index_query": False,
        },
    )
    lines, findings = [], []
    results: list[Any] = list(outcome.results)
    for result in sorted(results, key=lambda result: result.expectation_config.meta["place"]):
        rule, reason = (result.expectation_config.meta[name] for name in ("rule", "reason"))
        if result.exception_info.get("raised_exception", False) or "unexpected_list" not in result.result:
            raise DataError(
                f"the check that {rule} could not be run: {result.exception_info}. "
                "Nothing is passed on unchecked; this is a fault in the suite, please report it."
            )
        for bad in result.result.get("unexpected_index_list") or []:
            found = ", ".join(f"{name} is {_shown(value)}" for name, value in bad.items() if name != "row")
            findings.append(Finding(row=int(bad["row"]), reason=reason, detail=f"{found}; it must hold that {rule}"))
        lines.append(Line(rule=rule, reason=reason, checked=len(table), failed=result.result["unexpected_count"]))
    return lines, findings


def _shown(value: object) -> str:
    value = value.item() if isinstance(value, np.generic) else value
    if value is None or value != value:
        return "missing"
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() else f"{value:.4g}"  # pandas holds whole numbers so beside a null
    return repr(value)
