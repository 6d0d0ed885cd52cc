"""The two versions of the benchmark differ as it says, and ours finds it."""

import json
import sys

from tests.benchmarks import data_diff


def test_ours_finds_what_was_planted(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["data_diff", "--rows", "1000", "--sides", "ours"])
    data_diff.main()
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said["truth"] == {"added": 10, "removed": 10, "changed": 19, "same": 971}
    assert said["right"] == {"ours": True}
    assert said["sides"]["ours"]["peak_mb"] > 0
