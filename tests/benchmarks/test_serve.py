"""What asks servers in benchmarks counts what it was answered, and the page prints what is there."""

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.benchmarks import serve_longer
from tests.benchmarks.environments import PEERS


class Server(BaseHTTPRequestHandler):
    """Turns every third away, fails at every tenth, and answers the others."""

    protocol_version = "HTTP/1.1"
    seen = 0

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        Server.seen += 1
        self.send_response(503 if Server.seen % 3 == 0 else 500 if Server.seen % 10 == 0 else 200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


@pytest.fixture
def url():
    Server.seen = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


def asked(url, *said):
    command = [sys.executable, str(PEERS / "load.py"), url, *said]
    return json.loads(subprocess.run(command, input=b"{}", capture_output=True, check=True).stdout)


def test_what_is_turned_away_is_neither_answered_nor_an_error(url):
    said = asked(url, "60", "1")
    assert (said["answered"], said["errors"], said["away"]) == (36, 4, 20)


def test_it_ends_after_so_many_seconds(url):
    said = asked(url, "1000000000", "2", "0.5")
    assert 0 < said["answered"] < 1_000_000
    assert said["seconds"] >= 0.5


def test_the_page_prints_what_was_measured_and_nothing_else():
    about = {"command": "python -m it", "commit": "0" * 7, "machine": "2 cores"}
    one = {"cpu_ms": 1.0, "per_s": 100.0, "p50_ms": 1.0, "p99_ms": 2.0, "errors": 0, "away": 3}
    its = {"text": {"1": one}, "image": {"64": one}, "seconds": 60.0, **about}
    assert list(serve_longer.page({})) == []
    lines = list(serve_longer.page({"sustained": its}))
    assert "| texts | 1 | 100/s | 1 and 2 ms | 0 | 3 |" in lines
    assert "| pictures | 64 | 100/s | 1 and 2 ms | 0 | 3 |" in lines
    soak = {
        "requests": 100_000,
        "errors": 0,
        "away": 0,
        "memory_mb": [400.0, 410.0],
        "grown": 0.025,
        "seconds": 9,
        **about,
    }
    assert "go from 400 to 410 MB (+2.5%), with 0 errors" in "".join(serve_longer.page({"soak": soak}))
