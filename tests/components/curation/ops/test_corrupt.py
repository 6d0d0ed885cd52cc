from collections import Counter

import pyarrow as pa
import pytest

from components.contracts.errors import ConfigError
from components.curation.ops.corrupt import DEFECTS, Corrupt
from components.curation.ops.deduplicate import Deduplicate
from components.curation.phrases import COLOUR_WORDS
from components.data.manifest import SCHEMA
from tests.components.curation.toy import apply, row

CAPTIONS = [
    f"a red circle beside the big blue star number {'abcdefghij'[at // 10]} {'klmnopqrst'[at % 10]}"
    for at in range(100)
]
TABLE = pa.Table.from_pylist(
    [row(at, sha256=f"{at:064x}", texts=[{"text": text, "kind": "alt", "lang": "en"}]) for at, text in enumerate(CAPTIONS)], SCHEMA
)  # fmt: skip


def corrupted(*defects: str, share: float = 1.0):
    left, report = apply(Corrupt(share=share, defects=defects), TABLE)
    rows = left.to_pylist()
    return [(one["original"][0]["text"], one["texts"][0]["text"], one["corrupt_true"]) for one in rows], report, left


def test_swapped_captions_are_those_of_others_each_once():
    rows, _, _ = corrupted("swap")
    assert sorted(new for _, new, _ in rows) == sorted(CAPTIONS)
    assert all(new != old and true == "swap" for old, new, true in rows)


def test_each_defect_is_what_it_is_called():
    for old, new, _ in corrupted("drop")[0]:
        assert len(new.split()) == len(old.split()) - 1
        assert not Counter(new.split()) - Counter(old.split())
    for old, new, _ in corrupted("shuffle")[0]:
        assert new != old
        assert Counter(new.split()) == Counter(old.split())
    for old, new, _ in corrupted("colour")[0]:
        other = [(one, two) for one, two in zip(old.split(), new.split(), strict=True) if one != two]
        assert len(other) == 1
        assert {*other[0]} <= COLOUR_WORDS
    assert all(new == f"{old} {old} {old}" for old, new, _ in corrupted("repeat")[0])
    assert {new for _, new, _ in corrupted("empty")[0]} == {""}


def test_the_truth_marks_what_was_changed_and_nothing_else():
    rows, report, _ = corrupted("swap", "drop", "shuffle", "colour", "repeat", "empty", share=0.4)
    assert all((new != old) == (true is not None) for old, new, true in rows)
    marked = Counter(true for _, _, true in rows if true)
    assert marked == {name: count for name, count in report.stats.items() if count}
    assert 25 <= marked.total() <= 55
    assert len(marked) == 6


def test_a_defect_that_changes_nothing_is_not_marked():
    table = pa.Table.from_pylist([row(0, texts=[{"text": "circle", "kind": "alt", "lang": "en"}])], SCHEMA)
    for defect in ("swap", "drop", "shuffle", "colour"):
        left, report = apply(Corrupt(share=1.0, defects=[defect]), table)
        assert left["corrupt_true"].to_pylist() == [None]
        assert report.stats == {defect: 0}


def test_copies_are_made_and_found_again():
    _, report, left = corrupted("copy", share=0.3)
    made = [key for key in left["key"].to_pylist() if key.endswith("~copy")]
    assert report.made == len(made) > 10
    cleaned, found = apply(Deduplicate(by=("bytes",)), left)
    assert found.dropped == {"same_bytes": len(made)}
    assert cleaned["key"].to_pylist() == TABLE["key"].to_pylist()


@pytest.mark.parametrize(
    ("given", "says"), [({"share": 0.0}, "share is 0.0"), ({"share": 1.5}, "share is 1.5"), ({"defects": ["lie"]}, "defects has 'lie'"), ({"defects": []}, "defects is empty")]
)  # fmt: skip
def test_numbers_that_make_no_sense_are_refused(given, says):
    with pytest.raises(ConfigError, match=says):
        Corrupt(**given)
    assert "copy" in DEFECTS
