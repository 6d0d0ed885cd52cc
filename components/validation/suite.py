"""The Great Expectations suite: the rules of rules.py as expectations, each with the reason that a row gets for failing it."""

import os
from typing import Any

import pandas as pd
import pyarrow as pa

from components.contracts.errors import DataError
from components.validation.findings import Finding
from components.validation.lines import Line, row_count_is_wrong
from components.validation.rules import Declared, Limits, Rule, detail, rules, tables


def run_suite(
    manifest: pa.Table, measured: pa.Table, declared: Declared, limits: Limits
) -> tuple[list[Line], list[Finding]]:
    """Return every check in order, and a finding for every row that failed one.

    Raises DataError when a check could not be run, or the table as a whole is not the one that source.json speaks of.
    """
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")  # read at import, which takes 2.5 s and so waits until here
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    source = context.data_sources.add_pandas("manifest")
    held = rules(declared, limits)
    checks: list[Line] = []
    findings: list[Finding] = []
    for name, table in tables(manifest, measured).items():
        frame: pd.DataFrame = table.to_pandas()
        places = [place for place, rule in enumerate(held) if rule.table == name]
        batch = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("all")
        suite = context.suites.add(gx.ExpectationSuite(name=name, expectations=[_expect(held, at) for at in places]))
        definition = gx.ValidationDefinition(name=name, data=batch, suite=suite)
        outcome = context.validation_definitions.add(definition).run(
            batch_parameters={"dataframe": frame},
            result_format={
                "result_format": "COMPLETE",
                "unexpected_index_column_names": ["row"],
                "return_unexpected_index_query": False,
            },
        )
        results: list[Any] = list(outcome.results)
        for result in sorted(results, key=lambda result: result.expectation_config.meta["place"]):
            rule = held[result.expectation_config.meta["place"]]
            check, found = _read(rule, result, measured, len(frame))
            checks.append(check)
            findings.extend(found)
    return checks, findings


def _expect(held: list[Rule], place: int) -> Any:
    from great_expectations import expectations

    gxe: Any = expectations  # it lists its classes in no way that mypy can read
    rule, meta = held[place], {"place": place}
    if rule.kind == "rows":
        return gxe.ExpectTableRowCountToEqual(value=rule.high, meta=meta)
    if rule.kind == "given":
        return gxe.ExpectColumnValuesToNotBeNull(column=rule.column, meta=meta)
    if rule.kind == "unique":
        return gxe.ExpectColumnValuesToBeUnique(column=rule.column, meta=meta)
    if rule.kind == "among":
        return gxe.ExpectColumnValuesToBeInSet(column=rule.column, value_set=list(rule.values), meta=meta)
    if rule.kind == "not_among":
        return gxe.ExpectColumnValuesToNotBeInSet(column=rule.column, value_set=list(rule.values), meta=meta)
    return gxe.ExpectColumnValuesToBeBetween(column=rule.column, min_value=rule.low, max_value=rule.high, meta=meta)


def _read(rule: Rule, result: Any, measured: pa.Table, total: int) -> tuple[Line, list[Finding]]:
    """Return one expectation's line and findings; DataError when it could not be run, or speaks of the whole table."""
    outcome = result.result
    if result.exception_info.get("raised_exception", False) or ("unexpected_list" not in outcome and rule.reason):
        raise DataError(
            f"the check that {rule.said} could not be run: {result.exception_info}. "
            "Nothing is passed on unchecked; this is a fault in the suite, please report it."
        )
    if rule.reason is None:
        if not result.success:
            raise row_count_is_wrong(outcome["observed_value"], rule.said)
        return Line(rule=rule.said, reason=None, checked=total, failed=0), []
    found = []
    for bad in outcome.get("unexpected_index_list") or []:
        row = int(bad["row"])
        said = detail(rule, bad[rule.column], measured["fault"][row].as_py())
        found.append(Finding(row=row, reason=rule.reason, detail=said))
    return Line(rule=rule.said, reason=rule.reason, checked=total, failed=outcome["unexpected_count"]), found
