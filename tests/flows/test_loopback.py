"""Servers of our own: who answers on a port is who was started, and two that start at the same moment choose different ones."""

import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import pytest

from components.contracts.errors import ConfigError, TransientError
from flows.claims import Claims
from flows.loopback import bound, free_port, is_claimed, is_free, stranger_at, wait_for
from flows.processes import started
from flows.stack.place import Place
from flows.stack.service import Service, answers
from flows.stack.supervisor import Kept
from flows.ui import ui

LISTEN = """\
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200), self.end_headers()
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""
INHERIT = """\
import socket, sys
listening = socket.socket(fileno=int(sys.argv[1]))
listening.listen()
while True:
    one, _ = listening.accept()
    one.recv(1000)
    at_once = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    one.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n" + str(bool(at_once)).encode())
    one.close()
"""
SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def other() -> Iterator[str]:
    """Yield the address of a program that answers whatever it is asked, and is nobody's."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_another_program_s_answer_is_not_taken_for_the_server_s(other, tmp_path):
    log = tmp_path / "log"
    with started(SLEEP, log) as server:
        assert stranger_at(other, server) == f"another program answers on port {other.rpartition(':')[2]}, not process {server.pid}"  # fmt: skip
        with pytest.raises(TransientError, match=r"the page did not start in 1 s \(another program answers on port"):
            wait_for(other, server, log, "the page", 1)
    port = free_port()
    with started((sys.executable, "-c", LISTEN, str(port)), log) as server:
        wait_for(f"http://127.0.0.1:{port}/", server, log, "the page", 60)
        assert stranger_at(f"127.0.0.1:{port}", server) is None


def test_where_nobody_may_look_no_server_is_called_another_s(other, tmp_path, monkeypatch):
    """A container's root, without CAP_SYS_PTRACE, may not see the sockets of PostgreSQL's user."""

    def refuse(process: psutil.Process, kind: str) -> None:
        raise psutil.AccessDenied(process.pid)

    monkeypatch.setattr(psutil.Process, "net_connections", refuse)
    with started(SLEEP, tmp_path / "log") as server:
        assert stranger_at(other, server) is None


def test_a_server_whose_port_another_program_has_is_never_well(other, tmp_path):
    place = Place(root=tmp_path, data=tmp_path, ports={}, passwords={})
    place.log("mlflow").parent.mkdir(parents=True, exist_ok=True)
    stopping, told = threading.Event(), threading.Event()
    service = Service(
        name="mlflow", what="MLflow", address=other, command=SLEEP, folder=tmp_path, fault=answers(f"{other}/health")
    )
    kept = Kept(service, place, stopping, told, {})
    kept.start()
    try:
        while "another program answers" not in kept.why:
            assert kept.state in ("waits", "starts"), kept.why
            assert told.wait(60)
            told.clear()
        assert not kept.is_well.is_set()
    finally:
        stopping.set()
        kept.join()


def test_a_port_that_a_server_inherits_is_nobody_else_s_before_it_listens(tmp_path):
    with bound() as ours:
        port = ours.getsockname()[1]
        command = (sys.executable, "-c", INHERIT, str(ours.fileno()))
        with started(command, tmp_path / "log", inherited=[ours.fileno()]) as server:
            ours.close()
            assert not is_free(port), "the server has it, whether or not it listens yet"
            wait_for(f"http://127.0.0.1:{port}/", server, tmp_path / "log", "the page", 60)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
                assert answer.read() == b"True", "small answers are not held back"


def test_a_claimed_port_is_passed_over_though_nobody_listens_yet(tmp_path):
    with closing(Claims()) as claims:
        port = claims.first(60_100)
        assert all(is_claimed(port) for _ in range(300)), "however often somebody asks"
        assert is_free(port), "whoever claimed it has yet to listen there"
        elsewhere = f"from flows.loopback import free_port; print(free_port({port}))"
        assert int(subprocess.check_output([sys.executable, "-c", elsewhere], text=True)) > port
        with pytest.raises(ConfigError, match=f"port {port} is in use by another program"):
            ui(tmp_path, mlflow_port=port)
    assert free_port(port) == port
