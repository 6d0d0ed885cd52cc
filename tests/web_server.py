"""A real HTTP server on loopback that also does what servers should not: refuse, cut, lead astray, drip, ask to be left alone."""

import socket
import threading
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

BIG = 3 * 2**20


@dataclass
class Web:
    """What it serves, and what it was asked.

    Args:
        files: path -> bytes.
        leads: path -> the Location that it answers with, each letter a byte.
        together: most requests at once that were under way.
        ranges: Range and If-Range of each request for a path below /ranged, None where it had none.
        hold: a path below /held/ is answered once this many are under way at once, or after `release`.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    leads: dict[str, str] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    hosts: set[str] = field(default_factory=set)
    ranges: list[tuple[str, str] | None] = field(default_factory=list)
    together: int = 0
    release: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    def __post_init__(self) -> None:
        self.lock, self.under_way, self.all_in = threading.Lock(), 0, threading.Event()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, path: str) -> str:
        return f"http://{self.host}{path}"


@contextmanager
def serving(web: Web) -> Iterator[Web]:
    """Run it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None: ...

        def do_GET(self) -> None:
            with web.lock:
                web.asked[self.path] += 1
                web.hosts.add(self.headers["Host"])
                web.under_way, self.counted = web.under_way + 1, True
                web.together = max(web.together, web.under_way)
                turn = web.asked[self.path]
            try:
                self.answer(turn)
            except OSError:  # whoever asked has gone
                self.close_connection = True
            finally:
                self.over()

        def over(self) -> None:
            with web.lock:
                web.under_way -= self.counted
                self.counted = False

        def answer(self, turn: int) -> None:
            kind, _, rest = self.path.partition("?")[0].lstrip("/").partition("/")
            body = web.files.get("/" + rest, b"")
            match kind:
                case _ if self.path in web.leads:
                    self.send(302, b"", {"Location": web.leads[self.path]})
                case "status":  # /status/503
                    self.send(int(rest.partition("/")[0]), b"")
                case "once":  # /once/503/path: that status, then the file
                    status, _, path = rest.partition("/")
                    after = {"Retry-After": "7"} if status == "429" else {}
                    if turn == 1:
                        self.send(int(status), b"", after)
                    else:
                        self.send(200, web.files["/" + path])
                case "half":  # the length of all, half of it sent, then good-bye
                    self.send(200, body[: len(body) // 2], {"Content-Length": str(len(body))})
                    self.close_connection = True
                case "half_once":
                    self.send(200, body[: len(body) // 2] if turn == 1 else body, {"Content-Length": str(len(body))})
                    self.close_connection = True
                case "half_twice":
                    self.send(200, body[: len(body) // 2] if turn <= 2 else body, {"Content-Length": str(len(body))})
                    self.close_connection = True
                case "chunks" | "cut_chunks":
                    self.send(200, None, {"Transfer-Encoding": "chunked"})
                    end = b"" if kind == "cut_chunks" else b"0\r\n\r\n"
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(body), body) + end)
                    self.close_connection = True
                case "to":  # /to/<scheme>/<rest>: leads on
                    scheme, _, where = rest.partition("/")
                    self.send(302, b"", {"Location": f"{scheme}://{unquote(where)}"})
                case "back":  # leads on within the host
                    self.send(301, b"", {"Location": "/" + rest})
                case "loop":
                    self.send(302, b"", {"Location": self.path})
                case "drip":  # a byte of the body, and no more until released
                    self.send(200, b"x", {"Content-Length": "100"})
                    web.release.wait(60)
                case "stuck":
                    self.send(200, body[: len(body) // 2], {"Content-Length": str(len(body))})
                    self.wfile.flush()
                    web.release.wait(60)
                    self.close_connection = True
                case "stuck_once":  # half of the file, and no more until released; whole the next time
                    self.send(200, body[: len(body) // 2] if turn == 1 else body, {"Content-Length": str(len(body))})
                    if turn == 1:
                        web.release.wait(60)
                        self.close_connection = True
                case "mute":
                    web.release.wait(60)
                    self.close_connection = True
                case "reset":
                    if turn == 1:
                        linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
                        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                        self.connection.shutdown(socket.SHUT_RDWR)
                        self.close_connection = True
                    else:
                        self.send(200, body)
                case "packed":
                    self.send(200, body, {"Content-Encoding": "gzip"})
                case "endless":
                    self.send(200, None, {"Connection": "close"})
                    while True:
                        self.wfile.write(bytes(2**16))
                case "ranged":  # /ranged/<how>/path
                    how, _, path = rest.partition("/")
                    self.ranged(how, web.files["/" + path], turn)
                case "held":  # answered only once as many as may ask at once do
                    with web.lock:
                        if web.under_way >= int(rest.partition("/")[0]):
                            web.all_in.set()
                    web.all_in.wait(20)
                    self.over()  # before the answer, after which whoever asked may ask again
                    self.send(200, b"held")
                case _:
                    body = web.files.get(self.path.partition("?")[0])
                    self.send(404 if body is None else 200, body or b"", {"ETag": f'"{hash(body)}"'})

        def ranged(self, how: str, body: bytes, turn: int) -> None:
            """Send what is asked for, but only a third of the whole the first time; `how` says what is not as it should be."""
            if how in ("replaced", "deaf") and turn > 1:
                body = body[::-1]
            tag = {"ETag": f'{"W/" * (how == "weak")}"{zlib.crc32(body)}"'}
            if how in ("dated", "fresh"):
                tag = {"Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT" if how == "dated" else self.date_time_string()}
            given, condition = self.headers["Range"], self.headers["If-Range"]
            web.ranges.append((given, condition) if given else None)
            first = int(given.removeprefix("bytes=").removesuffix("-")) if given else 0
            if how == "empty" and given:
                self.send(416, b"", {"Content-Range": f"bytes */{len(body)}"})
                return
            if condition not in tag.values() and how != "deaf":
                first = 0
            part = body[first : first + len(body) // 3] if turn == 1 or how == "thrice" else body[first:]
            headers = (
                tag | {"Content-Length": str(len(body) - first)} | ({"Accept-Ranges": "none"} if how == "none" else {})
            )
            if first:
                headers["Content-Range"] = f"bytes {first + (how == 'astray')}-{len(body) - 1}/{len(body)}"
            self.send(206 if first else 200, part, headers)
            self.close_connection = True

        def send(self, status: int, body: bytes | None, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            if body is not None:
                headers = {"Content-Length": str(len(body))} | (headers or {})
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body or b"")

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *_: object) -> None: ...

    server = Server(("127.0.0.1", 0), Handler)
    web.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield web
    finally:
        web.release.set()
        server.shutdown()
        server.server_close()
        thread.join()
