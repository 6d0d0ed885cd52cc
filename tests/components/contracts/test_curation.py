import pytest

from components.contracts.curation import Report
from components.contracts.errors import DataError


def test_made_rows_count_as_those_that_came_in():
    Report(op="Regroup", rows_in=3, made=2, rows_out=4, dropped={"merged": 1})
    with pytest.raises(
        DataError, match="Regroup took 3 samples, made 2 and gave 4, but names reasons for only 0 dropped ones"
    ):
        Report(op="Regroup", rows_in=3, made=2, rows_out=4)
