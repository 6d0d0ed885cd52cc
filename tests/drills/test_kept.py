"""What drills keep."""

import json
import sys

import pytest

from tests.drills.kept import about, conclude, keep


def test_what_is_kept_says_how_where_when_and_of_which_code_also_of_a_drill_that_failed(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["soak", "--runs", "3", "--keep"])
    said = {"drill": "soak", "passed": False, "lost": 2}
    keep(tmp_path / "kept.json", said | about("soak"))
    kept = json.loads((tmp_path / "kept.json").read_text())
    assert said.items() <= kept.items()
    assert set(kept) - set(said) == {"command", "machine", "load", "date", "commit"}
    assert kept["command"] == "python -m tests.drills soak --runs 3 --keep"
    assert all(kept[name] for name in ("machine", "date", "commit"))


@pytest.mark.parametrize("passed", [True, False])
def test_a_drill_ends_with_what_it_found_kept_only_where_it_is_asked_and_with_0_where_it_passed(
    passed, tmp_path, capsys
):
    said = {"drill": "soak", "passed": passed}
    for path in (None, tmp_path / "kept.json"):
        with pytest.raises(SystemExit) as ended:
            conclude(said, {"commit": "abc"}, path)
        assert ended.value.code == (not passed)
        assert json.loads(capsys.readouterr().out) == said
    assert json.loads((tmp_path / "kept.json").read_text()) == {**said, "commit": "abc"}
    assert [path.name for path in tmp_path.iterdir()] == ["kept.json"]
