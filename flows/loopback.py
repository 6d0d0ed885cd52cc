"""Servers of our own on this machine: a port that is free, and the wait until one answers there, and no other."""

import socket
import subprocess
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from components.contracts.errors import ConfigError, TransientError
from components.stages.processes import group_members

HOST = "127.0.0.1"


def free_port(first: int = 0, tries: int = 100) -> int:
    """Return a port that nobody listens on or has claimed: the first from `first` on, or any when that is 0 or all are taken."""
    for port in range(first, first + tries) if first else ():
        if is_free(port) and not is_claimed(port):
            return port
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def bound() -> socket.socket:
    """Return a socket that has a port of its own and does not listen yet, for a server to inherit: nobody comes between."""
    its = socket.socket()
    # its connections inherit it: asyncio, which uvicorn tells that it is no TCP, sets it for none
    its.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    its.bind((HOST, 0))
    return its


def checked_port(port: int) -> int:
    """Return a port that somebody has named; ConfigError for a number that no port has."""
    if not 1 <= port <= 65_535:
        raise ConfigError(f"port {port} is none; give 1 to 65535")
    return port


def is_free(port: int) -> bool:
    """Return whether a server could listen on this port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that has just been left is free
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def is_claimed(port: int) -> bool:
    """Return whether somebody has spoken for this port, whose server may listen there later; see `flows.claims`."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asking:  # which waits in no queue of whoever has it
        return asking.connect_ex(claim_of(port)) == 0


def claim_of(port: int) -> str:
    """Return the name in the kernel that whoever has claimed a port has bound."""
    return f"\0diptych-port-{port}"


def stranger_at(url: str, server: subprocess.Popen[bytes]) -> str | None:
    """Say that it is another program that has this port, if none of the server's process group listens there; else None.

    Two that start at the same moment can choose the same port; who comes second would take the other's answers for its own. Where we may not look, nobody
    is called another.
    """
    port = urlsplit(url if "//" in url else f"//{url}").port
    for process in group_members(server.pid):
        try:
            sockets = process.net_connections("tcp")
        except psutil.AccessDenied:  # of another user, as PostgreSQL is for root, whom a container may not let look
            return None
        except psutil.Error:  # it has ended
            continue
        if any(one.laddr.port == port for one in sockets if one.status == psutil.CONN_LISTEN):
            return None
    return f"another program answers on port {port}, not process {server.pid}"


def wait_for(url: str, server: subprocess.Popen[bytes], log: Path, what: str, timeout_s: float) -> None:
    """Wait until a server answers, which leads its process group; TransientError, with where its log is, when it ends or does not come up."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy knows nothing of our loopback
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            with opener.open(url, timeout=5):
                why = stranger_at(url, server)
            if why is None:
                return
        except (urllib.error.URLError, OSError, HTTPException) as err:
            why = str(err)
        if server.poll() is not None:
            raise TransientError(f"{what} ended while it started ({why}); see {log}")
        if time.monotonic() > deadline:
            raise TransientError(f"{what} did not start in {timeout_s:.0f} s ({why}); see {log}")
        time.sleep(0.1)
