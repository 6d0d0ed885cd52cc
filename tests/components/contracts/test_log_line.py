"""Lines of a log whose disk is full."""

import os
import subprocess
import sys

import pytest

WHERE_THERE_IS_NO_ROOM = """\
import os, sys
from components.contracts.log_line import log_line
log_line("first")
print("goes on", file=sys.stderr)
os.dup2(os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT), 1)
log_line("second")
"""


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_no_room_for_a_line_ends_nobody_and_later_ones_are_written(unbuffered, tmp_path):
    with open("/dev/full", "w") as full:  # noqa: PTH123 -- no file of ours
        ran = subprocess.run(
            [sys.executable, "-c", WHERE_THERE_IS_NO_ROOM, tmp_path / "log"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        )
    assert (ran.returncode, ran.stderr) == (0, "goes on\n")
    assert (tmp_path / "log").read_text().splitlines()[-1] == "second"
