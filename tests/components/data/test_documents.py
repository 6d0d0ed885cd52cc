"""documents.parquet: a row a picture of a document, in order, and no file for data without documents."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.contracts.errors import DataError
from components.contracts.progress import silent
from components.data.beside import KindWriter, read_kind
from components.data.documents import DOCUMENTS, SCHEMA
from components.data.ingest import ingest
from components.data.manifest import read_manifest
from components.data.sources.interleaved_docs import InterleavedDocs
from components.data.synthetic.scenes import ScenesSource
from tests.own_pictures import paint


@pytest.fixture
def pages(tmp_path):
    """Six documents, each of a heading, two pictures with nothing between, and what is said after them."""
    said = paint(tmp_path / "docs", 12)
    names = list(said)
    rows = [
        {"images": [None, one, two, None], "texts": [f"page {at}", None, None, said[two][0]]}
        for at, (one, two) in enumerate(zip(names[::2], names[1::2], strict=True))
    ]
    (tmp_path / "docs/pages.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path / "docs"


def test_ingest_keeps_where_each_picture_stands(pages, tmp_path):
    came_in = ingest(InterleavedDocs(str(pages)), tmp_path / "raw", 0)
    rows = read_kind(tmp_path / "raw", DOCUMENTS).to_pylist()
    assert [row["key"] for row in rows] == read_manifest(tmp_path / "raw/manifest.parquet")["key"].to_pylist()
    assert [row["document"] for row in rows] == [f"pages.jsonl/{at // 2 + 1:06d}" for at in range(12)]
    assert [(row["place"], row["text_place"]) for row in rows] == [(1, 0), (2, 3)] * 6
    assert came_in["documents"] == {"documents": 6, "pictures": 12}
    assert json.loads((tmp_path / "raw/source.json").read_text()) == came_in


def test_data_without_documents_has_no_such_file_nor_count(tmp_path):
    came_in = ingest(ScenesSource(pictures=30), tmp_path / "raw", 0)
    assert "documents" not in came_in
    assert read_kind(tmp_path / "raw", DOCUMENTS) is None
    assert not (tmp_path / "raw/documents.parquet").exists()


def stopped(folder, sample):
    with KindWriter(folder, DOCUMENTS) as writer:
        writer.add(sample)
        raise DataError("the source ends")


def test_a_writer_that_is_stopped_leaves_no_file(pages, tmp_path):
    sample = next(iter(InterleavedDocs(str(pages)).samples(0, silent)))
    with pytest.raises(DataError, match="the source ends"):
        stopped(tmp_path / "raw", sample)
    assert list((tmp_path / "raw").iterdir()) == []


def test_a_file_that_is_none_is_refused(tmp_path):
    (tmp_path / "documents.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_kind(tmp_path, DOCUMENTS)
    pq.write_table(pa.table({"key": ["a"]}), tmp_path / "documents.parquet")
    with pytest.raises(DataError, match=r"has the columns \['key'\]; \['key', 'document'"):
        read_kind(tmp_path, DOCUMENTS)
    pq.write_table(SCHEMA.empty_table(), tmp_path / "documents.parquet")
    assert len(read_kind(tmp_path, DOCUMENTS)) == 0
