"""What Great Expectations does not bring for boxes and spans, where several columns of a row have to fit each other.

Importing this imports Great Expectations, which takes seconds; whoever needs it imports it where it is needed.
"""

from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import ColumnMapExpectation, MulticolumnMapExpectation
from great_expectations.expectations.metrics.map_metric_provider import (
    ColumnMapMetricProvider,
    MulticolumnMapMetricProvider,
    column_condition_partial,
    multicolumn_condition_partial,
)

from components.data.personal import MAYBE, find_personal, plain
from components.data.spans import EDGE, SLACK

SHAPE = 0.02  # share by which a picture may be wider or higher than the one that boxes were measured on: rounding, when scaled
_DOMAIN = ("batch_id", "table", "column_list", "row_condition", "condition_parser", "ignore_row_if")
_SUCCESS = ("column_list", "ignore_row_if", "mostly")  # what is not named here does not reach the engine
_partial: Any = multicolumn_condition_partial  # typed for other engines alone
_partial_of_one: Any = column_condition_partial


class SpanOfAPixel(MulticolumnMapMetricProvider):
    """Of which rows does the second column lie beyond the first by a part of 1, of which the third is a pixel's?"""

    condition_metric_name = "multicolumn_values.span_of_a_pixel"
    condition_domain_keys = _DOMAIN

    @_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column_list: pd.DataFrame, **_: Any) -> pd.Series:
        low, high, side = (column_list.iloc[:, place] for place in range(3))
        return (high > low) & ((high - low) * side.fillna(float("inf")) >= 1 - 1e-6)


class ShapeOf(MulticolumnMapMetricProvider):
    """Of which rows do the first two columns, width and height, have the ratio of the next two?"""

    condition_metric_name = "multicolumn_values.shape_of"
    condition_domain_keys = _DOMAIN

    @_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column_list: pd.DataFrame, **_: Any) -> pd.Series:
        of_width, of_height, width, height = (column_list.iloc[:, place] for place in range(4))
        return (width * of_height - height * of_width).abs() <= SHAPE * width * of_height


class AColumnGiven(MulticolumnMapMetricProvider):
    """Of which rows has one of the columns a word?"""

    condition_metric_name = "multicolumn_values.a_column_given"
    condition_domain_keys = _DOMAIN

    @_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column_list: pd.DataFrame, **_: Any) -> pd.Series:
        return (column_list.notna() & (column_list != "")).any(axis=1)


class LiesInClip(MulticolumnMapMetricProvider):
    """Of which rows is the first column, seconds, within the frames of the third at the rate of the second?"""

    condition_metric_name = "multicolumn_values.lies_in_clip"
    condition_domain_keys = _DOMAIN

    @_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column_list: pd.DataFrame, **_: Any) -> pd.Series:
        t1, fps, clip_frames = (column_list.iloc[:, place] for place in range(3))
        return t1 * fps <= clip_frames + SLACK


class FramesOfTheSpan(MulticolumnMapMetricProvider):
    """Of which rows are first, frames and key_frame as data/spans.py's frames_between says of the other columns?"""

    condition_metric_name = "multicolumn_values.frames_of_the_span"
    condition_domain_keys = _DOMAIN

    @_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column_list: pd.DataFrame, **_: Any) -> pd.Series:
        t0, t1, fps, clip_frames, first, frames, key = (column_list.iloc[:, place] for place in range(7))
        begins, ends = np.floor(t0 * fps + EDGE), np.minimum(np.ceil(t1 * fps - EDGE), clip_frames)
        return (first == begins) & (first + frames == ends) & (key >= first) & (key < ends)


class HoldsNothingPersonal(ColumnMapMetricProvider):
    """Of which rows does a text hold no e-mail address, phone number or card number?"""

    condition_metric_name = "column_values.hold_nothing_personal"

    @_partial_of_one(engine=PandasExecutionEngine)
    def _pandas(cls, column: pd.Series, **_: Any) -> pd.Series:
        maybe = np.asarray(pc.match_substring_regex(pa.array(column, pa.string()), MAYBE, ignore_case=True))
        nothing = np.ones(len(column), bool)
        for at in np.flatnonzero(maybe):
            nothing[at] = not find_personal(plain(column.iloc[at]))
        return pd.Series(nothing, index=column.index)


class ExpectColumnToHoldNothingPersonal(ColumnMapExpectation):
    """Texts of the column hold no e-mail address, phone number or card number."""

    map_metric = HoldsNothingPersonal.condition_metric_name


class ExpectSpanOfAPixel(MulticolumnMapExpectation):
    """column_list is an edge from 0 to 1, the opposite one, and the pixels between 0 and 1: they lie a pixel apart at least."""

    map_metric = SpanOfAPixel.condition_metric_name
    success_keys = _SUCCESS
    ignore_row_if: Literal["never"] = "never"


class ExpectPictureToHaveTheShapeOf(MulticolumnMapExpectation):
    """column_list is width and height of a picture that something was measured on, and those of the picture that is there."""

    map_metric = ShapeOf.condition_metric_name
    success_keys = _SUCCESS
    ignore_row_if: Literal["any_value_is_missing"] = "any_value_is_missing"


class ExpectAColumnToBeGiven(MulticolumnMapExpectation):
    """One of column_list has a word at least."""

    map_metric = AColumnGiven.condition_metric_name
    success_keys = _SUCCESS
    ignore_row_if: Literal["never"] = "never"


class ExpectSpanToLieInClip(MulticolumnMapExpectation):
    """column_list is the end of a span in seconds, the frames a second, and the frames of its clip."""

    map_metric = LiesInClip.condition_metric_name
    success_keys = _SUCCESS
    ignore_row_if: Literal["any_value_is_missing"] = "any_value_is_missing"


class ExpectFramesOfTheSpan(MulticolumnMapExpectation):
    """column_list is t0_s, t1_s, fps, clip_frames, first, frames and key_frame of a span: its frames are those of its times."""

    map_metric = FramesOfTheSpan.condition_metric_name
    success_keys = _SUCCESS
    ignore_row_if: Literal["any_value_is_missing"] = "any_value_is_missing"
