"""What drills keep."""

import json
import sys

from tests.drills.kept import about, keep


def test_what_is_kept_says_how_where_when_and_of_which_code_also_of_a_drill_that_failed(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["soak", "--runs", "3", "--keep"])
    said = {"drill": "soak", "passed": False, "lost": 2}
    keep(tmp_path / "kept.json", said | about("soak"))
    kept = json.loads((tmp_path / "kept.json").read_text())
    assert said.items() <= kept.items()
    assert set(kept) - set(said) == {"command", "machine", "load", "date", "commit"}
    assert kept["command"] == "python -m tests.drills soak --runs 3 --keep"
    assert all(kept[name] for name in ("machine", "date", "commit"))
