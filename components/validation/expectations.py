"""What Great Expectations does not bring: of rows that belong together, their order, and what they have in common.

Importing this imports Great Expectations, which takes seconds; whoever needs it imports it where it is needed.
"""

from typing import Any, Literal

import pandas as pd
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import ColumnPairMapExpectation
from great_expectations.expectations.metrics.map_metric_provider import (
    ColumnPairMapMetricProvider,
    column_pair_condition_partial,
)

_DOMAIN = ("batch_id", "table", "column_A", "column_B", "row_condition", "condition_parser", "ignore_row_if")
_SUCCESS = ("column_A", "column_B", "ignore_row_if", "mostly")  # what is not named here does not reach the engine
_partial: Any = column_pair_condition_partial  # typed for other engines alone


class RisesWithin(ColumnPairMapMetricProvider):
    """Of which rows is column_B more than in the row before of the same column_A?"""

    condition_metric_name = "column_pair_values.rises_within"
    condition_domain_keys = _DOMAIN

    @_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column_A: pd.Series, column_B: pd.Series, **_: Any) -> pd.Series:
        before = column_B.groupby(column_A).shift()
        return before.isna() | (column_B > before)


class OneWithin(ColumnPairMapMetricProvider):
    """Of which rows is column_B the same in all rows of the same column_A?"""

    condition_metric_name = "column_pair_values.one_within"
    condition_domain_keys = _DOMAIN

    @_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column_A: pd.Series, column_B: pd.Series, **_: Any) -> pd.Series:
        return column_B.groupby(column_A).transform("nunique") <= 1


class ExpectColumnToRiseWithin(ColumnPairMapExpectation):
    """column_B rises strictly, in the order of the rows, among those of one value of column_A."""

    map_metric = RisesWithin.condition_metric_name
    success_keys = _SUCCESS
    ignore_row_if: Literal["either_value_is_missing"] = "either_value_is_missing"


class ExpectColumnToBeOneWithin(ColumnPairMapExpectation):
    """column_B has one value among the rows of one value of column_A."""

    map_metric = OneWithin.condition_metric_name
    success_keys = _SUCCESS
    ignore_row_if: Literal["either_value_is_missing"] = "either_value_is_missing"
