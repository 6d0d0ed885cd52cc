"""What the benchmark plants is what it says, and scores are counted as it says."""

import json

import numpy as np
import pytest

from tests.benchmarks import dedup
from tests.benchmarks.captions_missed import missed, shared
from tests.benchmarks.dedup import WAYS, drawn_rows, million, ours
from tests.benchmarks.near_pictures import HARD, KINDS, plant, score

TRUTH = {"a": ("", 0), "b": ("PNG", 0), "c": ("the same bytes", 0), "d": ("", 1), "e": ("mirrored", 2)}


@pytest.mark.parametrize(
    ("removed", "precision", "recall", "wrong"),
    [
        (["b", "c"], 1.0, 1.0, {}), (["a", "c"], 1.0, 1.0, {}), (["b"], 1.0, 0.5, {}), (["a", "b", "c"], 0.6667, 1.0, {}),
        (["b", "c", "e"], 0.6667, 1.0, {"mirrored": 1}), (["d"], 0.0, 0.0, {"an original": 1}), ([], 0.0, 0.0, {}),
    ],
)  # fmt: skip
def test_of_each_original_with_its_copies_one_stays_whichever(removed, precision, recall, wrong):
    said = score(removed, TRUTH)
    assert (said["precision"], said["recall"], said["wrong"]) == (precision, recall, wrong)
    assert said["planted"] == 2


def test_ours_leaves_out_all_that_is_planted_and_nothing_else(tmp_path):
    truth = plant(tmp_path / "heap", 12)
    assert {kind for kind, _ in truth.values()} == {"", *KINDS, *HARD}
    said = score(ours(tmp_path / "heap"), truth)
    assert (said["precision"], said["recall"], said["planted"]) == (1.0, 1.0, 4 * len(KINDS))


def test_rows_are_planted_in_each_way_and_found():
    table, _, planted = drawn_rows(4000)
    assert set(planted[:2000].tolist()) == {-1}
    assert np.bincount(planted[planted >= 0]).min() > 20
    assert len(table) == 4000
    said = million(4000)
    assert said["precision"] >= 0.98
    assert said["recall"] >= 0.98
    assert said["planted"].keys() == set(WAYS)


def test_what_captions_share_is_counted_by_their_runs_of_letters():
    assert shared("abcd", "abcd") == 1
    assert shared("abcdef", "abcdeg") == 3 / 7  # " abc", "abcd", "bcde" of these and "cdef", "def ", "cdeg", "deg "
    assert shared("a b", "x y") == 0


def test_copies_that_are_alike_by_the_definition_are_found():
    said = missed(600)
    assert said["found_of_alike"] >= 0.98
    assert said["missed_unlike"] > said["missed"] / 2
    assert said["unlike_and_short"] > 0.8


def test_it_ends_with_one_line_of_json(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["dedup", "--rows", "1000", "--originals", "3", "--tools", "diptych"])
    dedup.main()
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said["bench"] == "dedup"
    assert list(said["rows"]) == ["100", "1000"]
    assert said["tools"]["diptych"]["recall"] == 1.0
