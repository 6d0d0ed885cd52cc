import pyarrow as pa
import pytest

from components.contracts.curation import Report
from components.contracts.errors import ConfigError, DataError, LeakageError
from components.curation.select import select_splits

TABLE = pa.table({"key": list("abcdefg"), "split": ["train", "val", "train", "val", "train", "pair", "train"]})


def test_rows_keep_their_order_and_the_rest_is_counted():
    selected, report = select_splits(TABLE)
    assert selected["key"].to_pylist() == ["a", "b", "c", "d", "e", "g"]
    assert (report.rows_in, report.rows_out, report.dropped) == (7, 6, {"split_not_selected": 1})
    assert report.as_json()["examples"] == {"split_not_selected": ["f"]}


def test_nothing_left_out_is_nothing_dropped():
    _, report = select_splits(TABLE.slice(0, 5))
    assert report.dropped == {}
    assert report.rows_in == report.rows_out == 5


@pytest.mark.parametrize(
    ("splits", "error", "says"),
    [
        (("train", "pair"), LeakageError, "only ever tested on"),
        (("train", "vall"), ConfigError, "Did you mean val?"),
    ],
)
def test_splits_that_must_not_or_cannot_be_selected(splits, error, says):
    with pytest.raises(error, match=says):
        select_splits(TABLE, splits)


def test_a_split_without_rows_is_an_error():
    with pytest.raises(DataError, match="no sample of the split 'val'"):
        select_splits(TABLE.slice(4, 1), ("train", "val"))


def test_a_report_that_does_not_add_up_cannot_be_made():
    with pytest.raises(DataError, match="took 5 samples and gave 3, but names reasons for only 1"):
        Report(op="select_splits", rows_in=5, rows_out=3, dropped={"split_not_selected": 1})
