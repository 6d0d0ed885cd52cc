"""Pictures whose files are listed come in as rejects, whatever else the source gives; the rest is as it was."""

import hashlib
import json

from components.contracts.progress import silent
from components.contracts.reject import Reject
from components.data.ingest import ingest
from components.data.listed import NotListed
from components.data.manifest import read_manifest
from components.data.quarantine import read_quarantine
from tests.flows.versioned import Painted, names, paint


class WithExamples(Painted):
    def describe(self):
        return {**super().describe(), "examples": ["picture k001", "picture k002"]}


def test_a_listed_picture_reaches_no_shard_and_is_counted(tmp_path):
    digest = hashlib.sha256(paint(1)).hexdigest()
    source = NotListed(WithExamples(names(10)), {digest, "0" * 64}, "data/takedown.txt")
    said = ingest(source, tmp_path / "raw", seed=0)
    assert (said["rows_in"], said["samples"], said["rejected"]) == (10, 9, {"takedown": 1})
    assert "k001" not in read_manifest(tmp_path / "raw/manifest.parquet")["key"].to_pylist()
    assert not any(paint(1) in path.read_bytes() for path in (tmp_path / "raw").rglob("*.tar"))
    assert read_quarantine(tmp_path / "raw/quarantine.parquet") == [
        {"key": "k001", "member": "k001.png", "reason": "takedown", "detail": f"data/takedown.txt lists it: {digest}"}
    ]
    assert json.loads((tmp_path / "raw/source.json").read_text())["source"]["examples"] == ["picture k002"]


def test_without_a_list_all_is_as_it_was():
    whole = list(Painted(names(4)).samples(0, silent))
    assert list(NotListed(Painted(names(4)), (), "").samples(0, silent)) == whole
    assert not any(isinstance(one, Reject) for one in whole)
