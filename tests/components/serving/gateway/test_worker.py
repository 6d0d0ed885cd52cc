"""A worker with a thread that never ends, such as of an encoder, ends all the same: by itself where it knows of it, and when its keeper goes."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.serving.gateway.settings import SOCKET, VARIABLE, Settings
from components.serving.gateway.stuck import CODE

PROGRAM = """
import signal, sys, threading
from components.serving.gateway import stuck, worker
threading.Thread(target=threading.Event().wait).start()  # never ends
signal.signal(signal.SIGUSR1, lambda *_: stuck.STUCK.set())
sys.exit(worker.main())
"""


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[subprocess.Popen]:
    """A real one, which answers."""
    Settings(root=tmp_path).write(tmp_path / "settings.json")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        told = {VARIABLE: str(tmp_path / "settings.json"), SOCKET: str(listening.fileno())}
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            env=os.environ | told,
            pass_fds=(listening.fileno(),),
            stdin=subprocess.PIPE,
        ) as process:
            try:
                wait_until_it_answers(process, listening.getsockname()[1])
                yield process
            finally:
                process.kill()


def wait_until_it_answers(process: subprocess.Popen, port: int) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1) as answer:
                assert answer.status == 200
            return
        except (OSError, http.client.HTTPException):  # the socket takes what nobody answers yet
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_one_that_is_stuck_ends_with_a_code_of_its_own(worker: subprocess.Popen) -> None:
    worker.send_signal(signal.SIGUSR1)
    assert worker.wait(60) == CODE


def test_one_that_is_let_go_ends_as_ever(worker: subprocess.Popen) -> None:
    assert worker.stdin
    worker.stdin.close()
    assert worker.wait(60) == 0
