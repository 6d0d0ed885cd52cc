"""The suite for data of series: each lies in one split, so that what is measured is not what was learnt from."""

from typing import Any

from components.validation.held import Expect


def series_suite(expect: Expect) -> None:
    """Say what the rows of data/series.py have to be."""
    from great_expectations import expectations

    from components.validation.expectations import ExpectColumnToBeOneWithin

    gxe: Any = expectations  # it lists its classes in no way that mypy can read
    expect(gxe.ExpectColumnValuesToNotBeNull, "incomplete", "series is given", column="series")
    expect(ExpectColumnToBeOneWithin, "series_split", "a series is in one split", column_A="series", column_B="split")
