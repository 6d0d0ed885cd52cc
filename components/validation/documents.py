"""The Great Expectations suite for data of documents: pictures stand in their order, and a document in one split."""

import os
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.contracts.errors import DataError, StaleArtifact
from components.validation.findings import Finding
from components.validation.lines import Line


def run_documents(documents: pa.Table, manifest: pa.Table, rows: int | None) -> tuple[list[Line], list[Finding]]:
    """Return every check in order, and a finding for every row of the manifest that failed one.

    Args:
        documents: rows of data/documents.py's SCHEMA.
        manifest: all rows.
        rows: that source.json says there are.

    Raises StaleArtifact when the tables do not belong together, DataError when a check could not be run.
    """
    places = pc.index_in(documents["key"], manifest["key"])
    if len(documents) != rows or places.null_count:
        raise StaleArtifact(
            f"documents.parquet has {len(documents):,} rows, {places.null_count:,} of them of no sample, and source.json says "
            f"{rows}: one of them was changed after ingest. Restore them with `dvc checkout`, or ingest again."
        )
    splits = manifest["split"].take(places)
    frame = documents.append_column("row", places).append_column("split", splits).to_pandas()
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")  # read at import
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("snapshot").add_dataframe_asset("documents")
    batch = asset.add_batch_definition_whole_dataframe("all")
    suite = context.suites.add(gx.ExpectationSuite(name="documents", expectations=_expectations()))
    definition = gx.ValidationDefinition(name="documents", data=batch, suite=suite)
    outcome = context.validation_definitions.add(definition).run(
        batch_parameters={"dataframe": frame},
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
        lines.append(Line(rule=rule, reason=reason, checked=len(frame), failed=result.result["unexpected_count"]))
    return lines, findings


def _shown(value: object) -> str:
    value = value.item() if isinstance(value, np.generic) else value
    if value is None or value != value:
        return "missing"
    return f"{value:.0f}" if isinstance(value, float) else repr(value)  # pandas holds whole numbers so beside a null


def _expectations() -> list[Any]:
    from great_expectations import expectations

    from components.validation.expectations import ExpectColumnToBeOneWithin, ExpectColumnToRiseWithin

    gxe: Any = expectations  # it lists its classes in no way that mypy can read
    held: list[Any] = []

    def expect(kind: Any, reason: str, rule: str, **arguments: Any) -> None:
        held.append(kind(**arguments, meta={"reason": reason, "rule": rule, "place": len(held)}))

    for column in ("document", "place"):
        expect(gxe.ExpectColumnValuesToNotBeNull, "incomplete", f"{column} is given", column=column)
    for column, what in (("place", "a picture's place"), ("text_place", "a text's place")):
        expect(gxe.ExpectColumnValuesToBeBetween, "bad_document", f"{what} is at least 0", column=column, min_value=0)
    expect(ExpectColumnToRiseWithin, "bad_document", "places rise in a document", column_A="document", column_B="place")
    expect(
        ExpectColumnToBeOneWithin, "document_split", "a document is in one split", column_A="document", column_B="split"
    )
    return held
