"""The file of what does not go on: whole or not there, the same bytes for the same rows."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.contracts.errors import DataError
from components.contracts.reject import Reject
from components.data.quarantine import SCHEMA, QuarantineWriter, in_order, read_quarantine


def reject(number: int) -> Reject:
    return Reject(key=f"k{number}", member="a.tar", reason=("symlink", "bad_utf8")[number % 2], detail="日本")


def write(path, count):
    with QuarantineWriter(path) as writer:
        for number in range(count):
            writer.add(reject(number))
    return writer


@pytest.mark.parametrize("count", [0, 1, 4096, 9000])
def test_rows_come_back_in_order_and_are_counted(tmp_path, count):
    writer = write(tmp_path / "q.parquet", count)
    rows = read_quarantine(tmp_path / "q.parquet")
    assert [row["key"] for row in rows] == [f"k{number}" for number in range(count)]
    assert writer.rows_written == count == writer.counts.total()
    assert writer.counts["bad_utf8"] == count // 2
    write(tmp_path / "again.parquet", count)
    assert (tmp_path / "q.parquet").read_bytes() == (tmp_path / "again.parquet").read_bytes()


def test_left_by_an_error_there_is_no_file(tmp_path):
    def stop_in_the_middle():
        with QuarantineWriter(tmp_path / "q.parquet") as writer:
            writer.add(reject(0))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_in_the_middle()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (pa.table({"key": ["a"]}), "has the columns key; a quarantine has key, member, reason, detail"),
        (pa.Table.from_pylist([dict.fromkeys(SCHEMA.names, "tired")], SCHEMA), "the reasons tired, which this version"),
    ],
)
def test_a_file_that_is_no_quarantine_is_refused(tmp_path, table, says):
    pq.write_table(table, tmp_path / "q.parquet")
    with pytest.raises(DataError, match=says):
        read_quarantine(tmp_path / "q.parquet")


def test_counts_stand_in_the_order_of_the_reasons():
    assert list(in_order({"blank": 2, "symlink": 1, "bomb": 0})) == ["symlink", "blank"]
