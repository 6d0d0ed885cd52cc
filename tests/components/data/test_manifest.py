import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.contracts.errors import DataError
from components.data.aside import ROW_GROUP_ROWS
from components.data.manifest import (
    SCHEMA,
    ManifestWriter,
    read_manifest,
    snapshot_digest,
    write_manifest,
)


def rows(count: int) -> list[dict]:
    row = dict.fromkeys(SCHEMA.names)
    texts = [
        {"text": "a red heart", "kind": "short", "lang": "en"},
        {"text": "ein Herz", "kind": "short", "lang": "de"},
    ]
    labels = {"concept": "red heart", "category": None, "subcategory": None}
    return [{**row, "key": f"k{i}", "offset": i, "texts": texts, "labels": labels} for i in range(count)]


def test_the_same_rows_make_the_same_file_however_they_are_chunked(tmp_path):
    table = pa.Table.from_pylist(rows(ROW_GROUP_ROWS + 7), SCHEMA)
    first = write_manifest(table, tmp_path / "a.parquet")
    chunked = pa.concat_tables([table.slice(0, 5), table.slice(5)])
    assert write_manifest(chunked, tmp_path / "b.parquet") == first == snapshot_digest(table)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert read_manifest(tmp_path / "a.parquet").equals(table)
    with ManifestWriter(tmp_path / "c.parquet") as writer:
        for row in table.to_pylist():
            writer.add(row)
    with ManifestWriter(tmp_path / "d.parquet") as writer:
        writer.add(table.slice(0, 1).to_pylist()[0])
        writer.add_table(table.slice(1, 3))
        writer.add_table(table.slice(4))
    for name in "cd":
        assert (tmp_path / f"{name}.parquet").read_bytes() == (tmp_path / "a.parquet").read_bytes()
    assert writer.digest.hexdigest() == first
    assert writer.rows_written == len(table)


def test_the_digest_sees_order_and_every_value():
    table = pa.Table.from_pylist(rows(3), SCHEMA)
    assert snapshot_digest(table.take([1, 0, 2])) != snapshot_digest(table)
    changed = rows(3)
    changed[2]["texts"][1]["text"] = "ein rotes Herz"
    assert snapshot_digest(pa.Table.from_pylist(changed, SCHEMA)) != snapshot_digest(table)


def test_a_writer_that_fails_leaves_no_file(tmp_path):
    def fail() -> None:
        with ManifestWriter(tmp_path / "m.parquet") as writer:
            writer.add(rows(1)[0])
            raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="disk"):
        fail()
    assert not list(tmp_path.iterdir())


def test_a_row_with_a_wrong_column_is_refused(tmp_path):
    with pytest.raises(DataError, match="pixels"), ManifestWriter(tmp_path / "m.parquet") as writer:
        writer.add({**rows(1)[0], "pixels": 3})


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (pa.table({"key": ["a"]}), "no column 'split'"),
        (
            pa.Table.from_pylist(rows(1), SCHEMA).append_column("more", pa.array([1])),
            "columns that no manifest has: more",
        ),
        (
            pa.Table.from_pylist(rows(1), SCHEMA).set_column(5, "offset", pa.array(["0"])),
            "'offset' as string, but a manifest keeps int64",
        ),
    ],
)
def test_another_schema_is_named_in_the_error(tmp_path, table, says):
    pq.write_table(table, tmp_path / "m.parquet")
    with pytest.raises(DataError, match=says):
        read_manifest(tmp_path / "m.parquet")


def test_a_missing_or_damaged_file_says_what_to_do(tmp_path):
    with pytest.raises(DataError, match=r"is missing.*dvc repro"):
        read_manifest(tmp_path / "m.parquet")
    (tmp_path / "m.parquet").write_bytes(b"<html>not found</html>")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_manifest(tmp_path / "m.parquet")
