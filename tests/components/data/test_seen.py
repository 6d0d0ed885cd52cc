"""The process that looks at pictures ends without a word when nobody wants its answer any more."""

import socket
import subprocess
import sys
from multiprocessing.connection import Connection

from components.data.seen import Seeing
from components.data.sight import READY
from tests.own_pictures import paint


def test_it_is_silent_when_the_line_ends_while_it_looks(tmp_path):
    paint(tmp_path, 1)
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", *Seeing().program, str(theirs.fileno())]
    with (
        ours, theirs, subprocess.Popen(command, pass_fds=[theirs.fileno()], stderr=subprocess.PIPE) as process,
        Connection(ours.dup().detach()) as line,
    ):  # fmt: skip
        assert line.recv_bytes() == READY
        ours.shutdown(socket.SHUT_RD)  # no answer is taken; the line is not at its end, which would end it too
        line.send([(tmp_path / "0000.png").read_bytes()])
        said = process.communicate(timeout=60)[1]
    assert (process.returncode, said) == (0, b"")
