"""Character by character what json.dumps gives, whatever the rows hold."""

import json
import subprocess
import sys

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data.manifest import SCHEMA, SnapshotDigest, snapshot_digest
from components.data.row_json import json_rows

said = st.one_of(
    st.none(),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.sampled_from(['"', "\\", "\n\x00\x7f", "é 😀"]),
)
number = st.one_of(st.none(), st.integers(-(2**31), 2**31 - 1))
text = st.one_of(st.none(), st.fixed_dictionaries({"text": said, "kind": said, "lang": said}))
ROW = st.fixed_dictionaries(
    {
        **{name: said for name in SCHEMA.names},
        **{name: number for name in ("offset", "size_bytes", "width", "height")},
        "texts": st.one_of(st.none(), st.lists(text, max_size=3)),
        "labels": st.one_of(
            st.none(), st.fixed_dictionaries({name: said for name in ("concept", "category", "subcategory")})
        ),
    }
)


@given(st.lists(ROW, max_size=6), st.integers(0, 3))
def test_rows_are_what_json_makes_of_their_dicts(rows, cut):
    batch = pa.RecordBatch.from_pylist(rows, SCHEMA).slice(cut)
    expected = [json.dumps(row, ensure_ascii=False, sort_keys=True) for row in batch.to_pylist()]
    assert json_rows(batch).to_pylist() == expected


@given(st.lists(ROW, max_size=6), st.integers(1, 4))
def test_the_digest_of_a_table_is_that_of_its_rows(rows, chunk):
    digest = SnapshotDigest()
    for row in rows:
        digest.add(row)
    whole = pa.Table.from_pylist(rows, SCHEMA)
    parts = [whole.slice(start, chunk) for start in range(0, len(rows), chunk)] or [whole]
    assert snapshot_digest(pa.concat_tables(parts)) == digest.hexdigest()


def test_a_type_that_it_does_not_know_is_refused():
    with pytest.raises(TypeError, match="a column of type double has no JSON here"):
        json_rows(pa.RecordBatch.from_pydict({"a": [0.5]}))


def test_pandas_is_not_imported_with_it():
    said = "import sys, components.data.row_json; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", said]).returncode == 0, "0.2 s for each command that reads a manifest"
