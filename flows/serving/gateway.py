"""Start the gateway of a workspace, in a process of its own that outlives us, and stop it."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path

import psutil

from components.contracts.errors import ConfigError, TransientError
from components.serving.endpoint import served_folder
from components.serving.gateway.settings import APART, Settings
from components.serving.process import ProcessId
from components.serving.record import Gateway, gateway_log, gateway_record, read_gateway, settings_file
from components.serving.sweep import workspace_prefix
from components.serving.worker_environment import handed_on
from flows.loopback import HOST, checked_port, free_port, is_free

START_UP_S = 90.0
DRAIN_S = 45.0
FIRST_PORT = 8800  # so that a bookmark goes on working
LOG_MB = 16  # beyond which the log of before is put aside


def ensure_gateway(
    root: Path, settings: Settings | None = None, port: int | None = None, anew: bool = False
) -> Gateway:
    """Return the gateway of a workspace, started unless it runs as it should.

    Args:
        root: of the workspace.
        settings: of it; those of last time unless given.
        port: to listen on, on this machine alone; that of last time, or a free one, unless given.
        anew: start it again where it runs as it should, too.

    Raises ConfigError for a port that is taken, TransientError when it does not come up.
    """
    with _alone(root):
        now, before = read_gateway(root), _settings(root)
        wanted = settings or before or Settings(root=root.resolve())
        if not anew and now is not None and wanted == before and port in (None, _port(now.address)) and _answers(now):
            return now
        last = _last_port(root)
        taken = None if port is None or (now is not None and port == _port(now.address)) else _bound(port, last)
        _end(root)
        wanted.write(settings_file(root))
        return _start(root, taken if taken is not None else _bound(port, last))


def is_apart(root: Path) -> bool:
    """Return whether a worker broke, so that another leaves pictures and encoders to Triton until the gateway is started anew."""
    gateway = read_gateway(root)
    if gateway is None:
        return False
    try:
        return any(APART in one.environ() for one in psutil.Process(gateway.process.pid).children())
    except psutil.Error:  # it ends just now
        return False


def mend_gateway(root: Path) -> Gateway | None:
    """Start the gateway of a workspace again where its keeper was killed, at the port that it had, and return it; None where it runs, or was stopped.

    Raises TransientError when it does not come up.
    """
    if not _was_killed(root):
        return None
    with _alone(root):
        if not _was_killed(root):  # who stops it takes its record away while he has the lock
            return None
        last = _last_port(root)
        deadline = time.monotonic() + DRAIN_S
        while last is not None and not is_free(last) and time.monotonic() < deadline:
            time.sleep(0.05)  # its workers see its pipe close, and end what they have begun
        return _start(root, _bound(None, last))


def stop_gateway(root: Path) -> bool:
    """Stop the gateway of a workspace once it has answered what it has begun; return whether one was running."""
    if not served_folder(root).exists():
        return False
    with _alone(root):
        return _end(root)


def _start(root: Path, listening: socket.socket) -> Gateway:
    log = gateway_log(root)
    if log.exists() and log.stat().st_size > LOG_MB * 2**20:
        log.replace(log.with_suffix(".log.1"))
    with listening, log.open("ab") as output:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "components.serving.keeper", str(root.resolve()), _mark(root)],
            stdin=listening.fileno(), stdout=output, stderr=output, start_new_session=True, umask=0o077,
            env={**handed_on(os.environ), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
    threading.Thread(
        target=keeper.wait, name="keeper", daemon=True
    ).start()  # of whoever lives longer it would stay a zombie
    deadline = time.monotonic() + START_UP_S
    while True:
        now = read_gateway(root)
        if now is not None and now.process.pid == keeper.pid and _answers(now):
            return now
        if keeper.poll() is not None or time.monotonic() > deadline:
            keeper.terminate()
            said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
            raise TransientError(f"The gateway did not start; {log} says why: {' / '.join(said)}")
        time.sleep(0.05)


def _end(root: Path) -> bool:
    """End every keeper of this workspace, one of which no record may know."""
    keepers = list(_keepers(root))
    for keeper in keepers:
        keeper.send(signal.SIGTERM)
    for keeper in keepers:
        if not keeper.wait(DRAIN_S):
            keeper.send(signal.SIGKILL)  # its workers see its pipe close
            keeper.wait(DRAIN_S)
    gateway_record(root).unlink(missing_ok=True)
    return bool(keepers)


def _keepers(root: Path) -> Iterator[ProcessId]:
    """Yield every keeper of this workspace, by what it runs and whose it is."""
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or ()
        if "components.serving.keeper" in command and _mark(root) in command:
            with suppress(ProcessLookupError):
                yield ProcessId.of(process.pid)


def _bound(port: int | None, last: int | None) -> socket.socket:
    if port is not None and not is_free(checked_port(port)):
        raise ConfigError(
            f"port {port} is in use by another program, or not for us. Give another one: diptych serve --port {free_port(port + 1)}"
        )
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((HOST, port if port is not None else free_port(last or FIRST_PORT)))
    listening.listen(2048)
    return listening


def _answers(gateway: Gateway) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{gateway.url}healthz", timeout=5):
            return True
    except (urllib.error.URLError, OSError, HTTPException):
        return False


def _was_killed(root: Path) -> bool:
    """Return whether there is a record of a gateway whose keeper does not run; who stops one takes it away."""
    return gateway_record(root).exists() and read_gateway(root) is None


def _settings(root: Path) -> Settings | None:
    try:
        return Settings.read(settings_file(root))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _last_port(root: Path) -> int | None:
    try:
        return _port(json.loads(gateway_record(root).read_text(encoding="utf-8"))["address"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


def _mark(root: Path) -> str:
    return f"{workspace_prefix(root)}gateway"


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Hold the gateway's own lock; who comes second waits, since starting takes seconds."""
    folder = served_folder(root)
    for private in (folder.parent, folder):
        private.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "gateway.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
