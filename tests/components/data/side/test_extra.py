"""Captions to be added are a table of keys and texts, or are refused with the row."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.contracts.errors import DataError
from components.data.side.extra import extra_digest, read_extra


def test_a_csv_and_a_parquet_say_the_same(tmp_path):
    (tmp_path / "a.csv").write_text('text,key,note\n"one, said",a,x\ntwo,b,\nthree,a,\n two,b,\n', encoding="utf-8")
    pq.write_table(pa.table({"key": ["a", "b", "a"], "text": ["one, said", "two", "three"]}), tmp_path / "a.parquet")
    both = [read_extra(tmp_path / name) for name in ("a.csv", "a.parquet")]
    assert both == [{"a": ("one, said", "three"), "b": ("two",)}] * 2


def test_the_digest_goes_by_key_and_text():
    assert extra_digest({"a": ["x"], "b": ["y"]}) == extra_digest({"b": ("y",), "a": ("x",)})
    assert extra_digest({"a": ["x"]}) != extra_digest({"a": ["y"]})


@pytest.mark.parametrize(
    ("name", "said", "told"),
    [
        ("a.csv", "key,caption\na,b\n", "has no column 'text'"), ("a.csv", "key,text\na,b\nc,  \n", "row 2: a key and a text"),
        ("a.csv", "key,text\n,b\n", "row 1"), ("a.csv", "key,text\na\n", "row 1"), ("a.txt", "a b", "is no .csv and no .parquet"),
        ("a.parquet", "no parquet", "cannot be read"),
    ],
)  # fmt: skip
def test_what_is_no_such_table_is_refused(tmp_path, name, said, told):
    (tmp_path / name).write_text(said)
    with pytest.raises(DataError, match=told):
        read_extra(tmp_path / name)


def test_a_file_that_is_not_there_and_one_in_another_code_are_told(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_extra(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes("key,text\na,café\n".encode("latin-1"))
    with pytest.raises(DataError, match="UTF-8"):
        read_extra(tmp_path / "latin.csv")
