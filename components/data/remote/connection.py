"""One request over a socket that we connect ourselves, to an address that was checked; nothing it waits for is for ever.

Why http.client and no library above it: a pool connects by name, and looks the name up again. Proxies of the environment
are not used either, since they would do the looking up.
"""

import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead

from components.data.remote.addresses import PORTS, Target
from components.data.remote.turns import Patience, Stopped
from components.data.remote.unfetched import Unfetched

PIECE_BYTES = 2**16
_AGENT = "diptych (image-text pre-training)"


@cache
def trusted() -> ssl.SSLContext:
    """Return who is trusted to vouch for names, read once."""
    return ssl.create_default_context()


class Watch:
    """Shuts a socket down that sends too little: a server that drips a byte before each time-out would hold us for ever."""

    def __init__(self, patience: Patience, stop: threading.Event) -> None:
        self.patience, self.stop, self.came, self.tripped = patience, stop, 0, False
        self._done = threading.Event()
        self._socket: socket.socket | None = None
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def over(self, connected: socket.socket) -> None:
        """Begin, or go on with the socket that took the first one's place."""
        began, self._socket = self._socket is not None, connected
        if not began:
            self._thread.start()

    def end(self) -> None:
        """Let go."""
        self._done.set()

    def _watch(self) -> None:
        before, waited = 0, 0.0
        tick = min(1.0, self.patience.window_s)
        while not self._done.wait(tick):
            waited += tick
            if waited >= self.patience.window_s:
                self.tripped = self.came - before < self.patience.least_bytes
                before, waited = self.came, 0.0
            if (self.tripped or self.stop.is_set()) and self._socket is not None:
                with suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # not TLS's own, which another thread is in
                return


class Answer:
    """A server's answer, its body not read yet."""

    def __init__(self, response: HTTPResponse, watch: Watch) -> None:
        self.status, self.headers, self.size_bytes = response.status, response.headers, response.length
        self._response, self._watch = response, watch

    def pieces(self) -> Iterator[bytes]:
        """Yield the body as it comes. Raises Unfetched where it stops coming, or ends before its length."""
        came = 0
        while True:
            with _told(self._watch):
                piece = self._response.read1(PIECE_BYTES)
            if not piece:
                break
            came += len(piece)
            self._watch.came = came
            yield piece
        if self.size_bytes is not None and came != self.size_bytes:
            raise Unfetched("fetch_failed", f"only {came:,} of {self.size_bytes:,} bytes came", transient=True)


@contextmanager
def asked(
    target: Target, patience: Patience, stop: threading.Event, headers: Mapping[str, str] | None = None
) -> Iterator[Answer]:
    """Yield the answer to a GET, with these headers besides the usual. Raises Unfetched when there is none."""
    watch = Watch(patience, stop)
    connection = HTTPConnection(target.host, target.port, timeout=patience.answer_s)
    response: HTTPResponse | None = None
    try:
        with _told(watch):
            plain = _connected(target, patience)
            connection.sock = plain
            watch.over(plain)
            if target.secure:
                wrapped = trusted().wrap_socket(plain, server_hostname=target.host, do_handshake_on_connect=False)
                connection.sock = wrapped
                watch.over(wrapped)
                wrapped.do_handshake()
            host = f"[{target.host}]" if ":" in target.host else target.host
            usual = target.port == PORTS["https" if target.secure else "http"]
            connection.putrequest("GET", target.resource, skip_host=True, skip_accept_encoding=True)
            connection.putheader("Host", host if usual else f"{host}:{target.port}")
            connection.putheader("Accept-Encoding", "identity")  # the bytes as they lie there, and their length
            connection.putheader("User-Agent", _AGENT)
            connection.putheader("Connection", "close")
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
        yield Answer(response, watch)
    finally:
        watch.end()
        if response is not None:
            response.close()  # it holds the socket, whatever becomes of the connection
        connection.close()


def _connected(target: Target, patience: Patience) -> socket.socket:
    for place, address in enumerate(target.addresses):
        try:
            return socket.create_connection((address, target.port), timeout=patience.answer_s)
        except OSError:
            if place == len(target.addresses) - 1:
                raise
    raise OSError(f"{target.host} has no address")


@contextmanager
def _told(watch: Watch) -> Iterator[None]:
    """Turn what goes wrong on the way into Unfetched."""
    slow = f"less than {watch.patience.least_bytes:,} bytes came in {watch.patience.window_s:g} s"
    try:
        yield
    except ssl.SSLCertVerificationError as err:
        detail = f"its certificate is not to be trusted ({err.verify_message})"
        raise Unfetched("fetch_failed", detail) from err
    except IncompleteRead as err:
        raise Unfetched("fetch_failed", "the body ended before its last piece", transient=True) from err
    except (OSError, HTTPException, ValueError) as err:  # ValueError: a request line or header that http.client refuses
        said = slow if watch.tripped else str(err) or type(err).__name__
        raise Unfetched("fetch_failed", said, transient=not isinstance(err, ValueError)) from err
    if watch.stop.is_set():
        raise Stopped
    if watch.tripped:
        raise Unfetched("fetch_failed", slow, transient=True)
