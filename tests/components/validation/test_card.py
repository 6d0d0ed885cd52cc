"""The dataset card: each of its numbers equals a recount of the files, and no name in the data can break its tables."""

import json
import re
from collections import Counter

import pyarrow.parquet as pq
import pytest

from components.contracts.admit import Admit
from components.contracts.reject import Reject
from components.contracts.sample import TEST_SPLITS, Text
from components.data.admission import Admitted
from components.data.ingest import ingest
from components.data.manifest import read_manifest
from components.data.synthetic.scenes import ScenesSource
from components.validation.check import read_catalogue

REJECT = Reject(key="a", member="a", reason="symlink", detail="a link")


@pytest.fixture
def made(case, make, paint):
    """A card over train, val and pools with dirt of both steps, and what was kept, row by row."""
    listed = [
        *map(make, range(6)), REJECT, make(6, licence="CC-BY-4.0", source="chalk"), make(7, split="val", licence="CC-BY-4.0"),
        make(8, data=b""), make(9, split="pair", texts=(Text(text="eins", lang="de"), Text(text="a longer text", lang="en"))),
        make(10, split="designer", text="mail me@example.org"), make(11, split="val", labels={"category": "dog"}),
        make(12, data=paint(1, compress_level=0)),
    ]  # fmt: skip
    case.ingest(listed).validate(max_broken=0.3)
    folders = [case.validated, *(case.evaluation / split for split in TEST_SPLITS)]
    kept = [row for folder in folders for row in read_manifest(folder / "manifest.parquet").to_pylist()]
    return case, (case.validated / "card.md").read_text(), kept


def tables(card: str) -> dict[str, list[list[str]]]:
    """Return heading and first column -> rows of each table, of which every row is as wide as its head."""
    found, heading, rows = {}, "", []
    for line in [*card.splitlines(), ""]:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        elif rows:
            assert {len(row) for row in rows} == {len(rows[0])}
            found[f"{heading}: {rows[0][0]}"] = rows[2:]
            rows = []
        if line.startswith("## "):
            heading = line[3:]
    return {name.removeprefix("What is kept: "): its for name, its in found.items()}


def counts(rows) -> dict[str, int]:
    return {name: int(count.replace(",", "")) for name, count in (row[:2] for row in rows)}


def test_every_number_of_the_card_is_that_of_a_recount(made):
    case, card, kept = made
    found = tables(card)
    assert counts(found["language"]) == Counter(text["lang"] for row in kept for text in row["texts"])
    licences = {name: (int(learnt), int(tested)) for name, learnt, tested in found["licence"]}
    for licence in {row["licence"] for row in kept}:
        learnt = [row["split"] in ("train", "val") for row in kept if row["licence"] == licence]
        assert licences.pop(licence) == (sum(learnt), len(learnt) - sum(learnt))
    assert not licences
    assert counts(found["shorter side, pixels"]) == {"32 to 63": len(kept)}
    assert counts(found["label"]) == Counter(row["labels"]["category"] for row in kept if row["labels"]["category"])
    assert sum(counts(found["characters"]).values()) == sum(len(row["texts"]) for row in kept)
    lost = Counter(pq.read_table(case.validated / "quarantine.parquet")["reason"].to_pylist())
    assert {code.strip("`"): count for code, count in counts(found["Set aside, and why: reason"]).items()} == lost
    assert len(lost) >= 3
    told = Counter(pq.read_table(case.validated / "told.parquet")["reason"].to_pylist())
    assert {code.strip("`"): count for code, count in counts(found["Kept, and told of: reason"]).items()} == told


def test_steps_add_up_and_are_those_of_the_report(made):
    case, card, kept = made
    report = json.loads((case.validated / "report.json").read_text())
    found = tables(card)
    steps = {name: tuple(map(int, numbers)) for name, *numbers in found["What became of it: step"]}
    assert steps["ingest"] == (14, 13, 1)
    assert steps["validate"] == (13, len(kept), 13 - len(kept))
    splits = {name: tuple(map(int, numbers)) for name, *numbers in found["What became of it: split"]}
    assert {name: its[:2] for name, its in splits.items()} == {
        name: (its["rows_in"], its["kept"]) for name, its in report["splits"].items() if its["rows_in"]
    }
    assert sum(its[2] for its in splits.values()) == report["quarantined"] == steps["ingest"][2] + steps["validate"][2]
    assert (
        f"{report['clean']} pictures to learn from and {report['pools']} to test with, of {report['rows_in']}" in card
    )


def test_checks_stand_with_their_settings_and_with_what_is_done(made):
    case, card, _ = made
    rows = {row[0]: row for row in tables(card)["What was looked for: check"]}
    assert list(rows) == list(read_catalogue())
    assert rows["near_duplicates"][1] == "bits 4, colour 0.05"
    assert rows["gps"][3] == "`gps` told of"
    case.validate(max_broken=0.3, policy={"gps": "drop"})
    again = tables((case.validated / "card.md").read_text())["What was looked for: check"]
    assert {row[0]: row[3] for row in again}["gps"] == "`gps` set aside"


def test_what_is_not_known_is_said_and_no_more(case, make):
    case.ingest([make(0), make(1, licence="CC-BY-4.0")]).validate()
    card = (case.validated / "card.md").read_text()
    assert "licence is not stated" not in card
    assert "Faces were not looked for" in card
    assert "have consented" in card
    assert "Health data of persons were not looked for" in card


def test_what_was_asked_of_the_records_is_said_where_something_was(case):
    asked = Admit(licences=("CC0-1.0",), health="refused")
    ingest(Admitted(ScenesSource(pictures=60), asked), case.raw, 0)
    case.validate(policy={"face": "keep"})
    card = (case.validated / "card.md").read_text()
    assert '"licences": ["CC0-1.0"]' in card
    assert "Health data of persons" not in card
    assert "Faces were not looked for" not in card
    assert "have consented" in card


def test_nothing_that_the_data_says_breaks_the_card(case, make):
    evil = "x | y\n# <script>`*[a](b)_"
    case.ingest([make(0), make(1, labels={"category": evil}), make(2, source=evil), make(3, split="val")]).validate()
    card = (case.validated / "card.md").read_text()
    found = tables(card)
    shown = r"x \| y \# \<script\>\`\*\[a\](b)\_"
    assert counts(found["label"]) == {shown: 1}
    assert [row[0] for row in found["Where it comes from: who made it"]] == ["flat", shown]
    assert all(re.match(r"##? [A-Z]", line) for line in card.splitlines() if line.startswith("#"))


def test_where_nothing_is_kept_the_card_says_so(case, make):
    case.ingest([make(0, data=b"no picture"), REJECT]).validate()
    card = (case.validated / "card.md").read_text()
    assert "0 pictures to learn from and 0 to test with, of 2" in card
    assert tables(card)["licence"] == [["none", "-", "-"]]
