"""What the drill of a full disk keeps, without drilling."""

import json
import sys

import pytest

from tests.drills import full_disk


def test_what_is_kept_says_how_where_and_of_which_code_also_of_a_drill_that_failed(tmp_path):
    said = {
        "drill": "full_disk",
        "passed": False,
        "lost": ["ingest: half of an output stays"],
        "seconds": 9,
        "detail": {"ingest": "no room"},
    }
    full_disk.keep(said, tmp_path / "kept.json")
    kept = json.loads((tmp_path / "kept.json").read_text())
    assert said.items() <= kept.items()
    assert set(kept) - set(said) == {"command", "room_bytes", "machine", "load", "date", "commit"}
    assert kept["command"] == "python -m tests.drills full_disk --keep"
    assert all(kept[name] for name in ("machine", "date", "commit", "room_bytes"))


def test_a_part_is_not_kept_as_the_whole(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["full_disk", "--stages", "ingest", "--keep"])
    with pytest.raises(SystemExit) as ended:
        full_disk.main()
    assert ended.value.code == 2
    assert "--keep is of all stages" in capsys.readouterr().err
