"""The suite for documents: each planted fault is found on its rows with its reason, and sound documents pass."""

import random
from collections import defaultdict

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.contracts.errors import StaleArtifact
from components.contracts.sample import Page
from components.data.documents import DOCUMENTS, SCHEMA
from components.validation.kinds import run_kind

SPLITS = {"a": "train", "b": "val", "c": "pair"}


def tables(rows):
    """Return documents and manifest for (document, place, text_place, split)."""
    documents = [
        {"key": f"k{at}", "document": one[0], "place": one[1], "text_place": one[2]} for at, one in enumerate(rows)
    ]
    manifest = pa.table({"key": [f"k{at}" for at in range(len(rows))], "split": [one[3] for one in rows]})
    return pa.Table.from_pylist(documents, SCHEMA), manifest


def sound(count=12):
    return [(name, place, place + 1, SPLITS[name]) for name in SPLITS for place in range(0, count // 3 * 2, 2)]


def found(rows):
    documents, manifest = tables(rows)
    lines, findings = run_kind(DOCUMENTS, documents, manifest, len(rows))
    assert sum(line.failed for line in lines) == len(findings)
    assert all(finding.detail for finding in findings)
    return {(finding.row, finding.reason) for finding in findings}


@pytest.mark.parametrize(
    ("at", "spoilt", "reasons"),
    [
        (1, ("a", 0, 1, "train"), {(1, "bad_document")}),  # the place of the one before it
        (1, ("a", 99, 1, "train"), {(2, "bad_document")}),  # the next is then out of order
        (0, ("a", -1, 1, "train"), {(0, "bad_document")}),
        (2, ("a", 4, -5, "train"), {(2, "bad_document")}),
        (2, ("a", None, 5, "train"), {(2, "incomplete")}),
        (2, (None, 4, 5, "train"), {(2, "incomplete")}),
        (2, ("a", 4, 5, "pair"), {(row, "document_split") for row in range(4)}),
        (2, ("a", 4, None, "train"), set()),
        (4, ("b", 1, 1, "val"), set()),
    ],
)
def test_each_fault_is_found_where_it_is(at, spoilt, reasons):
    rows = sound()
    rows[at] = spoilt
    assert found(rows) == reasons


@pytest.mark.parametrize("seed", range(3))
def test_what_is_found_is_what_a_loop_over_the_rows_finds(seed):
    draws = random.Random(seed)
    rows = [
        (draws.choice("abcdef"), draws.randint(0, 5), None, draws.choices(["train", "val"], (20, 1))[0])
        for _ in range(60)
    ]
    wanted, before, splits = set(), {}, defaultdict(set)
    for document, _, _, split in rows:
        splits[document].add(split)
    for at, (document, place, _, _) in enumerate(rows):
        if place <= before.get(document, -1):
            wanted.add((at, "bad_document"))
        if len(splits[document]) > 1:
            wanted.add((at, "document_split"))
        before[document] = place
    assert wanted
    assert found(rows) == wanted


def test_tables_that_do_not_belong_together_are_refused():
    documents, manifest = tables(sound())
    for wrong in ((documents.slice(1), manifest, 12), (documents, manifest, None), (documents, manifest.slice(1), 12)):
        with pytest.raises(StaleArtifact, match=r"source\.json says .*changed after ingest"):
            run_kind(DOCUMENTS, *wrong)


def test_validation_holds_documents_to_it_and_others_not(case, make):
    pages = [make(at, page=Page(document=f"d{at // 2}", place=at % 2, text_place=None)) for at in range(6)]
    pages[3] = make(3, split="val", page=pages[3].page)
    pages[4] = make(4, page=Page(document="d2", place=1, text_place=None))
    report = case.ingest(pages).validate()
    rows = pq.read_table(case.validated / "quarantine.parquet").to_pylist()
    assert {row["key"]: row["reason"] for row in rows} == {
        "k2": "document_split", "k3": "document_split", "k5": "bad_document",
    }  # fmt: skip
    assert "place is 1; it must hold that places rise in a document" in rows[2]["detail"]
    assert [check["rule"] for check in report["checks"]][-1] == "a document is in one split"
    assert "6 pictures came in 3 documents." in (case.validated / "card.md").read_text()
