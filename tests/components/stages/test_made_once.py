"""A start is made once, whoever asks and however often; what was spoilt or cut short is made anew."""

import json
import subprocess
import sys

import pytest

from components.contracts.errors import Interrupted
from components.contracts.sealed import MANIFEST
from components.stages.made_once import made_once

ASKING = """
import os, sys, time
from pathlib import Path
from components.stages.made_once import made_once

root = Path(sys.argv[1])

def make(out, resumes):
    (root / f"made-{os.getpid()}").touch()
    while not (root / "go").exists():
        time.sleep(0.01)
    (out / "weights").write_text("w")

(root / f"asks-{os.getpid()}").touch()
print(made_once(root, "start", {"n": 1}, make))
"""


@pytest.fixture
def made(tmp_path):
    """Ask for a start of a number; returns its folder and counts in `made.times`."""

    def ask(number: int = 1):
        def make(out, resumes):
            ask.times += 1
            (out / "weights").write_text(f"w{number}")

        return made_once(tmp_path, "start", {"n": number}, make)

    ask.times = 0
    return ask


def test_asked_twice_it_is_made_once_and_other_numbers_are_another(made, tmp_path):
    folder = made()
    assert made() == folder
    assert (made.times, (folder / "weights").read_text()) == (1, "w1")
    assert made(2) != folder
    assert made.times == 2
    assert json.loads((folder / MANIFEST).read_text())["decides"] == {"n": 1}
    assert (tmp_path / ".diptych").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("spoil", ["change", "lose", "unseal"])
def test_one_that_is_not_as_it_was_made_is_made_anew_and_said(made, spoil, capsys):
    folder = made()
    if spoil == "change":
        (folder / "weights").write_text("x")
    else:
        (folder / ("weights" if spoil == "lose" else MANIFEST)).unlink()
    assert made() == folder
    assert (made.times, (folder / "weights").read_text()) == (2, "w1")
    assert "is not as it was made, and is made anew" in capsys.readouterr().out


def test_one_that_was_cut_short_leaves_no_folder_and_what_it_had_done(tmp_path):
    def cut(out, resumes):
        (out / "weights").write_text("half")
        (resumes / "step-1").touch()
        raise Interrupted("stopped")

    def whole(out, resumes):
        assert not list(out.iterdir())
        assert (resumes / "step-1").exists()
        (out / "weights").write_text("whole")

    with pytest.raises(Interrupted):
        made_once(tmp_path, "start", {}, cut)
    folder = made_once(tmp_path, "start", {}, whole)
    assert (folder / "weights").read_text() == "whole"
    assert [path.name for path in (tmp_path / ".diptych/starts").iterdir()] == [folder.name], "nothing else stays"


def test_of_two_processes_that_ask_at_once_one_makes_it(tmp_path, until):
    asking = [
        subprocess.Popen([sys.executable, "-c", ASKING, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]

    def seen(what: str) -> int:
        return len(list(tmp_path.glob(f"{what}-*")))

    until(lambda: seen("asks") == 2 and seen("made") == 1, lambda: (seen("asks"), seen("made")))
    (tmp_path / "go").touch()
    first, second = (process.communicate()[0].strip() for process in asking)
    assert first == second
    assert seen("made") == 1
