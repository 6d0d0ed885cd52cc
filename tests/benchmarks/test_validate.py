"""The rows that the benchmark draws are sound but for what it plants, so that it times checks and not quarantine."""

import json
import sys

from tests.benchmarks import validate


def test_it_prints_what_was_found_of_what_it_planted(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["validate", "--rows", "4000"])
    validate.main()
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said["found"]["gps"] == 40
    assert said["found"]["twin_in_train"] == 8
    assert set(said["found"]) <= {"gps", "twin_in_train", "blank", "same_concept"}
    assert min(said["rows_per_s"], said["cpu_s"], said["peak_gb"]) > 0
