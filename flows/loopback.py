"""Servers of our own on this machine: a port that is free, and the wait until one answers."""

import socket
import subprocess
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path

from components.contracts.errors import TransientError

HOST = "127.0.0.1"


def free_port(first: int = 0, tries: int = 100) -> int:
    """Return a port that nobody listens on: the first from `first` on, or any when that is 0 or all are taken."""
    for port in range(first, first + tries) if first else ():
        if is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Return whether a server could listen on this port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that has just been left is free
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def wait_for(url: str, server: subprocess.Popen[bytes], log: Path, what: str, timeout_s: float) -> None:
    """Wait until a server answers; TransientError, with where its log is, when it ends or does not come up."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy knows nothing of our loopback
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            with opener.open(url, timeout=5):
                return
        except (urllib.error.URLError, OSError, HTTPException) as err:
            if server.poll() is not None:
                raise TransientError(f"{what} ended while it started; see {log}") from err
            if time.monotonic() > deadline:
                raise TransientError(f"{what} did not start in {timeout_s:.0f} s; see {log}") from err
        time.sleep(0.1)
