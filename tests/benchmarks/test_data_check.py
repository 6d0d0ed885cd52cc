"""Scores of tools are counted as the page says: by fitting issues, copies by two, and sound pictures apart."""

import json
import sys

from tests.benchmarks import data_check
from tests.benchmarks.data_check import FITS, KINDS, Ran, score

TRUTH = {
    "a": "clean",
    "b": "clean",
    "c": "truncated",
    "d": "truncated",
    "e": "dark",
    "f": "exact",
    "g": "exact",
    "h": "exact",
    "i": "exact",
}


def test_what_fits_is_found_and_what_is_not_looked_for_is_not_counted_as_missed():
    found = {"a": ["blurry", "dark"], "c": ["corrupted"], "d": ["blurry"], "f": ["near_duplicate"], "h": ["blurry"]}
    said = score("imgclean", Ran(version="1", found=found, wall_s=1.0, cpu_s=2.0), TRUTH)
    assert said["found"] == {"truncated": 1, "dark": 0, "exact": 1}
    assert (said["defects_found"], said["defects"], said["false_alarms"]) == (2, 5, 1)
    assert said["alarmed_by"] == {"blurry": 1, "dark": 1}
    ours = score(
        "diptych", Ran(version="1", found={"c": ["truncated"], "d": ["undecodable"]}, wall_s=1.0, cpu_s=2.0), TRUTH
    )
    assert ours["found"] == {"truncated": 1, "dark": None, "exact": 0}


def test_every_tool_is_asked_for_kinds_that_are_planted():
    assert all(set(fits) <= set(KINDS) for fits in FITS.values())


def test_ours_finds_all_it_looks_for_and_alarms_nobody(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["data_check", "--clean", "6", "--each", "1", "--tools", "diptych"])
    data_check.main()
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    ours = said["tools"]["diptych"]
    assert {kind for kind, count in ours["found"].items() if count is None} == {"dark", "blurred"}
    assert all(count in (None, 1) for count in ours["found"].values())
    assert ours["false_alarms"] == 0
    assert data_check.table(said).count("\n") == len(KINDS) + 5
