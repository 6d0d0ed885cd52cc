"""What a backup or a restore that was killed leaves, which has passwords and rows, is gone when the next one begins."""

import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from flows.stack.half_written import scratch, written_whole
from tests.flows.rolled import REPOSITORY

IS_KILLED = """\
import os, signal, sys
from pathlib import Path
from flows.stack.half_written import scratch, written_whole
with scratch(Path(sys.argv[1])) as folder, written_whole(Path(sys.argv[2]), folder) as half:
    (folder / "mlflow.dump").write_text("rows")
    half.write_text("passwords")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(folder: Path, file: str) -> None:
    """Have a process killed in the middle of both, which stands where the file is to be."""
    command = [sys.executable, "-c", IS_KILLED, str(folder), file]
    ended = subprocess.run(command, cwd=folder.parent, env={"PYTHONPATH": str(REPOSITORY)}, check=False)
    assert ended.returncode == -signal.SIGKILL


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_one_that_was_killed_left_goes_with_the_next_whatever_file_that_writes(tmp_path):
    folder = tmp_path / "data"
    killed(folder, "monday.tar")  # a relative name, told from another folder
    left = tmp_path / "monday.tar.partial"
    assert (left.read_text(), (folder / "mlflow.dump").read_text()) == ("passwords", "rows")
    assert (mode(left), mode(folder)) == (0o600, 0o700)
    with scratch(folder) as again, written_whole(tmp_path / "tuesday.tar", again) as half:
        assert not left.exists()
        assert not (folder / "mlflow.dump").exists()
        assert (mode(half), mode(folder)) == (0o600, 0o700)
        half.write_text("all")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tuesday.tar"]
    assert (tmp_path / "tuesday.tar").read_text() == "all"


def test_one_that_fails_leaves_neither_half_nor_folder(tmp_path):
    def fails() -> None:
        with scratch(tmp_path / "data") as folder, written_whole(tmp_path / "all.tar", folder) as half:
            half.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert list(tmp_path.iterdir()) == []


def test_half_a_file_that_others_may_read_is_not_written_on(tmp_path):
    open_to_all = tmp_path / "all.tar.partial"
    open_to_all.touch(mode=0o644)
    with scratch(tmp_path / "data") as folder, written_whole(tmp_path / "all.tar", folder) as half:
        assert half == open_to_all
        assert mode(half) == 0o600


def test_one_that_was_killed_before_it_said_where_it_writes_stops_no_other(tmp_path):
    """As a full disk leaves it, too."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/writes").touch()
    with scratch(tmp_path / "data") as folder, written_whole(tmp_path / "monday.tar", folder) as half:
        half.write_text("all")
    assert (tmp_path / "monday.tar").read_text() == "all"
    assert not (tmp_path / "data").exists()
