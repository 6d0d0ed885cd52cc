"""A record of a process never fits another process."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from components.serving.process import ProcessId, running

DEADLINE_S = 20


@pytest.fixture
def child() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(["sleep", "600.125"]) as process:
        yield process
        process.kill()


def test_living_process_is_alive_and_ends_when_told(child: "subprocess.Popen[bytes]") -> None:
    process = ProcessId.of(child.pid)
    assert process.is_alive()
    assert not process.wait(0)
    process.send(signal.SIGTERM)
    assert process.wait(DEADLINE_S), "an ended process that nobody has waited for counts as ended"
    assert child.wait() == -signal.SIGTERM
    process.send(signal.SIGKILL)


@pytest.mark.parametrize("change", [{"started_ticks": 1}, {"boot": "another"}])
def test_number_used_again_is_another_process(child: "subprocess.Popen[bytes]", change: dict) -> None:
    stranger = replace(ProcessId.of(child.pid), **change)
    assert not stranger.is_alive()
    stranger.send(signal.SIGKILL)
    assert stranger.wait(0)
    assert ProcessId.of(child.pid).is_alive(), "a stranger was signalled"


def test_found_by_executable_and_mark(child: "subprocess.Popen[bytes]") -> None:
    name = Path(f"/proc/{child.pid}/exe").readlink().name
    assert ProcessId.of(child.pid) in running(name, "600.125")
    assert not list(running(name, "600.125", but_not=["600.1"]))
    assert not list(running("tritonserver", "600.125"))


def test_addresses_are_those_it_listens_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert server.getsockname() in ProcessId.of(os.getpid()).listens_on()
        port = server.getsockname()[1]
    assert port not in {each[1] for each in ProcessId.of(os.getpid()).listens_on()}


def test_no_process_has_no_identity() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with pytest.raises(ProcessLookupError):
        ProcessId.of(ended.pid)
