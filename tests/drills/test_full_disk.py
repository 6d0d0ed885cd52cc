"""What the drill of a full disk asks of stages, and what it keeps, without drilling."""

import sys
from pathlib import Path

import pytest

from components.stages.disk import full_disk as said_of
from tests.drills import full_disk


def test_a_part_is_not_kept_as_the_whole(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["full_disk", "--stages", "ingest", "--keep"])
    with pytest.raises(SystemExit) as ended:
        full_disk.main()
    assert ended.value.code == 2
    assert "--keep is of all stages" in capsys.readouterr().err


def test_what_a_stage_has_to_say_is_what_stages_say():
    assert full_disk.NO_ROOM in str(said_of(OSError(28, "No space left on device"), Path.cwd(), "package@clip"))
