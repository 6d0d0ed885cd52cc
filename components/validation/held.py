"""Expectations as they are listed, each with the reason that a row gets for failing it and the rule in words, and how they are run."""

import os
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from components.contracts.errors import DataError
from components.data.personal import masked
from components.validation.findings import Finding
from components.validation.lines import Line


class Expect(Protocol):
    """What a suite says of its table, one call an expectation."""

    def __call__(self, kind: Any, reason: str, rule: str, **arguments: Any) -> None:
        """Hold the table to an expectation class of Great Expectations with its arguments."""


class Held:
    """Takes expectations in their order."""

    def __init__(self) -> None:
        self.expectations: list[Any] = []

    def expect(self, kind: Any, reason: str, rule: str, **arguments: Any) -> None:
        """Take one, see Expect."""
        meta = {"reason": reason, "rule": rule, "place": len(self.expectations)}
        self.expectations.append(kind(**arguments, meta=meta))


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
    return repr(masked(value) if isinstance(value, str) else value)
