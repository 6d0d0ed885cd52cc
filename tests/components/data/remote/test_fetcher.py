"""Fetching over http from a real server that misbehaves: what comes is whole, the rest is told why, and nobody waits for ever."""

import errno
import io
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from components.contracts.progress import silent
from components.data.remote.addresses import Addresses
from components.data.remote.fetcher import AT_ONCE, Fetcher, by_turns
from components.data.remote.http import retry_after
from components.data.remote.store import MAX_AGE_S, Store
from components.data.remote.turns import Patience, Stopped, Turns
from components.data.remote.unfetched import Unfetched
from tests.web_server import Web, serving

BODY = bytes(range(256)) * 700  # several pieces
MOST = 2**20
REPOSITORY = Path(__file__).parents[4]


@pytest.fixture
def web():
    with serving(Web({"/a.png": BODY, "/empty": b""})) as web:
        yield web


class Waits(list[float]):
    """Waits for nothing, and notes how long it would have."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def fetcher(web, tmp_path):
    fetcher = Fetcher([web.host], folder=tmp_path / "kept", wait=Waits())
    yield fetcher
    fetcher.stop.set()


def fetched(fetcher: Fetcher, url: str, most: int = MOST) -> bytes:
    fetcher.fetch(url, url, most)
    return fetcher.store.path_of(url).read_bytes()


def unfetched(fetcher: Fetcher, url: str, most: int = MOST) -> Unfetched:
    with pytest.raises(Unfetched) as caught:
        fetcher.fetch(url, url, most)
    assert not [path for path in fetcher.store.folder.rglob("*") if path.is_file()], "nothing half, nothing whole"
    return caught.value


@pytest.mark.parametrize(
    "path", ["/a.png", "/a.png?w=1", "/once/500/a.png", "/once/503/a.png", "/once/429/a.png", "/half_once/a.png", "/chunks/a.png",
             "/reset/a.png", "/back/a.png", "/back/back/back/a.png"]
)  # fmt: skip
def test_the_bytes_come_whole_at_last(fetcher, web, path):
    assert fetched(fetcher, web.url(path)) == BODY
    assert fetcher.fetch(web.url(path), web.url(path), MOST) is None, "and are not asked for again"


@pytest.mark.parametrize(
    ("path", "says", "tries"),
    [
        ("/missing.png", "answered 404 (it is not there)", 1),
        ("/status/403", "answered 403 (it may not be read)", 1),
        ("/status/401", "answered 401 (it wants a password)", 1),
        ("/status/410", "answered 410 (it is gone)", 1),
        ("/status/206", "answered 206", 1),
        ("/status/302", "answered 302", 1),
        ("/status/429", "answered 429 (it was asked too often); tried 4 times", 4),
        ("/status/500", "answered 500; tried 4 times", 4),
        ("/status/503", "answered 503; tried 4 times", 4),
        ("/half/a.png", f"only {len(BODY) // 2:,} of {len(BODY):,} bytes came; tried 4 times", 4),
        ("/cut_chunks/a.png", "the body ended before its last piece; tried 4 times", 4),
        ("/loop", "more than 5 redirects", 6),
        ("/packed/a.png", "sent it packed ('gzip')", 1),
        ("/endless", f"more than {MOST:,} bytes", 1),
    ],
)
def test_what_does_not_come_says_why(fetcher, web, path, says, tries):
    failed = unfetched(fetcher, web.url(path))
    assert says in failed.detail
    assert failed.transient == (tries == 4)
    assert failed.reason == ("no_picture" if path == "/endless" else "fetch_failed")
    assert web.asked[path] == tries


def test_a_file_that_lies_packed_comes_as_it_lies_whatever_a_server_calls_it(fetcher, web):
    web.files["/a.tar.gz"] = BODY
    assert fetched(fetcher, web.url("/packed/a.tar.gz?w=1")) == BODY


def test_a_body_that_is_too_large_is_left_there(fetcher, web):
    failed = unfetched(fetcher, web.url("/a.png"), most=1000)
    assert (failed.reason, failed.detail) == ("no_picture", f"{len(BODY):,} bytes; at most 1,000 are read")


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("http/169.254.169.254/latest/meta-data/", "169.254.169.254 is 169.254.169.254, a link-local address"),
        ("http/127.0.0.1:1/", "127.0.0.1 is 127.0.0.1, a loopback address"),
        ("http/2130706433/", "a loopback address"),
        ("http/[::1]/", "a loopback address"),
        ("ftp/x.example/a.png", "ftp: is not fetched"),
        ("file//etc/passwd", "file: is not fetched"),
    ],
)
def test_a_redirect_is_checked_like_any_url(fetcher, web, where, says):
    failed = unfetched(fetcher, web.url(f"/to/{where}"))
    assert failed.reason == "address_refused"
    assert says in failed.detail
    assert sum(web.asked.values()) == 1


@pytest.mark.parametrize(
    ("location", "asked"),
    [
        ("/a b.png", "/a%20b.png"),
        ("/a%20b.png", "/a%20b.png"),
        (" /c.png ", "/c.png"),
        ("/é.png?ö=1 2", "/%C3%A9.png?%C3%B6=1%202"),
        ("画.png", "/%E7%94%BB.png"),
        (b"/\xe9 b.png", "/%E9%20b.png"),
    ],
)
def test_a_redirect_is_read_as_browsers_read_it(fetcher, web, location, asked):
    web.files[asked.partition("?")[0]] = BODY
    sent = location if isinstance(location, bytes) else location.encode()
    web.leads["/old.png"] = sent.decode("latin-1")
    assert fetched(fetcher, web.url("/old.png")) == BODY
    assert web.asked[asked] == 1


@pytest.mark.parametrize(
    "location", ["http://[oops/x", "//[/", "https://me:secret@h\u2100.example/x".encode().decode("latin-1")]
)
def test_a_redirect_to_what_is_no_url_is_told_of_that_url(fetcher, web, location):
    web.leads["/astray.png"] = location
    failed = unfetched(fetcher, web.url("/astray.png"))
    assert (failed.reason, failed.transient) == ("address_refused", False)
    assert failed.detail == "it leads to what is no URL"


def test_the_connection_goes_where_was_looked_and_nowhere_else(web, tmp_path):
    """A name that is this server at the first look, and another address at every later one."""
    asked = []
    looks = iter([["127.0.0.1"]])
    fetcher = Fetcher(
        ["pictures.example"],
        folder=tmp_path,
        resolve=lambda host, port: asked.append(host) or next(looks, ["127.0.0.2"]),
    )
    assert fetched(fetcher, f"http://pictures.example:{web.port}/a.png") == BODY
    assert asked == ["pictures.example"]
    assert web.hosts == {f"pictures.example:{web.port}"}, "the server is asked by its name"


@pytest.mark.parametrize("name", ["bücher", "画像"])
def test_a_server_is_asked_by_the_name_that_dns_has_for_letters_beyond_ascii(web, tmp_path, name):
    host = f"{name.encode('idna').decode()}.example"
    fetcher = Fetcher([host], folder=tmp_path, resolve=lambda host, port: ["127.0.0.1"])
    assert fetched(fetcher, f"http://{name}.example:{web.port}/a.png") == BODY
    assert web.hosts == {f"{host}:{web.port}"}


def test_the_next_address_is_tried_where_nobody_listens_at_the_first(web, tmp_path):
    fetcher = Fetcher(["x.example"], folder=tmp_path, resolve=lambda host, port: ["127.0.0.9", "127.0.0.1"])
    assert fetched(fetcher, f"http://x.example:{web.port}/a.png") == BODY


def test_a_host_that_is_not_there_is_tried_again_and_then_told(fetcher):
    with socket.socket() as bound:  # bound and not listening: every connection is refused
        bound.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{bound.getsockname()[1]}"
        fetcher.http.addresses.allow |= {host}
        failed = unfetched(fetcher, f"http://{host}/a.png")
    assert "refused" in failed.detail
    assert failed.detail.endswith("tried 4 times")
    assert failed.transient


@pytest.mark.parametrize("path", ["/drip", "/mute"])
@pytest.mark.parametrize("limit", ["answer_s", "window_s"])
def test_a_server_that_says_nothing_more_is_left(web, tmp_path, path, limit):
    patience = Patience(tries=1, **{limit: 0.2})
    failed = unfetched(Fetcher([web.host], patience, tmp_path), web.url(path))
    says = "timed out" if limit == "answer_s" else "less than 100,000 bytes came in 0.2 s"
    assert failed.transient
    assert says in failed.detail


def test_later_tries_come_later_and_not_all_at_once(fetcher, web):
    unfetched(fetcher, web.url("/status/503"))
    waits = fetcher.http.turns.wait
    assert [0.5 * 2**n <= seconds <= 2**n for n, seconds in enumerate(waits)] == [True] * 3
    others = Waits()
    turns = Turns(Patience(), others, chance=random.Random(1))
    with pytest.raises(Unfetched):
        turns.tried(lambda: (_ for _ in ()).throw(Unfetched("fetch_failed", "busy", True)))
    assert others != list(waits)


def test_a_host_that_asks_to_be_left_alone_is(fetcher, web):
    assert fetched(fetcher, web.url("/once/429/a.png")) == BODY
    assert fetcher.http.turns.wait[0] == 7
    assert 6 < fetcher.http.turns.wait[1] <= 7, "and so is whoever asks the same host for something else"


def test_no_server_makes_us_wait_for_more_than_a_minute():
    waits = Waits()
    turns = Turns(Patience(), waits, clock=lambda: 1000.0)
    turns.leave_alone("x", 86400)
    with turns.of("x"), turns.of("y"):
        assert waits == [60.0]
    with pytest.raises(Unfetched):
        turns.tried(lambda: (_ for _ in ()).throw(Unfetched("fetch_failed", "busy", True, after_s=86400)))
    assert waits == [60.0] * 4


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7), (" 0 ", 0), ("Wed, 21 Oct 2015 07:28:30 GMT", 30), ("Wed, 21 Oct 2015 07:27:00 GMT", 0), ("soon", None), ("-1", None),
     ("1e9", None), (None, None)],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(value, seconds):
    assert retry_after(value, datetime(2015, 10, 21, 7, 28, tzinfo=UTC)) == seconds


def test_a_host_is_asked_for_a_few_at_once_and_hosts_together(web, tmp_path):
    """The server answers none before as many are under way as may be, so fewer at once would show as a time-out."""
    fetcher = Fetcher([web.host], Patience(a_host=3), tmp_path)
    urls = {str(number): web.url(f"/held/3/{number}") for number in range(20)}
    told = []
    fetcher.each(urls, lambda name, url: fetcher.fetch(url, name, MOST), "fetch", lambda *seen: told.append(seen))
    assert web.together == 3
    assert web.all_in.is_set()
    assert told[-1] == ("fetch", 20, 20)
    assert all(fetcher.store.path_of(name).read_bytes() == b"held" for name in urls)


def test_all_hosts_together_have_a_limit_too(tmp_path):
    with serving(Web()) as web:
        fetcher = Fetcher(["a.example", "b.example"], Patience(a_host=100), tmp_path, lambda host, port: ["127.0.0.1"])
        urls = {
            f"{host}{n}": f"http://{host}:{web.port}/held/{AT_ONCE}/{n}"
            for n in range(40)
            for host in ("a.example", "b.example")
        }
        fetcher.each(urls, lambda name, url: fetcher.fetch(url, name, MOST), "fetch", silent)
        assert web.together == AT_ONCE


def test_hosts_take_turns():
    urls = {str(n): f"http://{host}/{n}" for n, host in enumerate(["a", "a", "a", "b", "c"])}
    assert [url[7] for _, url in by_turns(urls)] == ["a", "b", "c", "a", "a"]


def test_the_first_error_ends_all_and_what_is_under_way(web, tmp_path):
    fetcher = Fetcher([web.host], folder=tmp_path)
    urls = {str(number): web.url("/mute") for number in range(8)} | {"x": web.url("/a.png")}

    def work(name: str, url: str) -> None:
        if name == "x":
            raise RuntimeError("enough")
        fetcher.fetch(url, name, MOST)

    fetcher.http.turns.patience = Patience(a_host=100)
    with pytest.raises(RuntimeError, match="enough"):
        fetcher.each(urls, work, "fetch", silent)
    assert not web.release.is_set(), "the server is silent still, and we are not waiting for it"
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_whoever_waits_for_another_try_stops_at_once(web, tmp_path):
    fetcher = Fetcher([web.host], Patience(first_s=3600), tmp_path)
    caught = []

    def work() -> None:
        try:
            fetcher.fetch(web.url("/status/503"), "x", MOST)
        except Stopped as err:
            caught.append(err)

    thread = threading.Thread(target=work)
    thread.start()
    fetcher.stop.set()
    thread.join(20)
    assert len(caught) == 1


def test_a_half_file_is_never_taken_for_a_whole_one(tmp_path):
    kept = Store(tmp_path)

    def full() -> None:
        with kept.new("a") as file:
            file.write(b"half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        full()
    assert not kept.has("a")
    with kept.new("a") as file:  # what a process that was killed leaves: a half under another name
        file.write(b"half")
        file.flush()
        assert not kept.has("a")
        assert not Store(tmp_path).has("a")
    assert kept.path_of("a").read_bytes() == b"half"
    kept.forget(["a", "b"])
    assert not kept.has("a")


def whole(store: Store, *names: str) -> Store:
    for name in names:
        with store.new(name) as file:
            file.write(b"whole")
    return store


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_nobody_came_back_for_is_swept_away(tmp_path):
    kept = whole(Store(tmp_path), "a", "b")
    left = tmp_path / "0a/.half-killed"
    left.parent.mkdir(exist_ok=True)
    left.write_bytes(b"half")
    kept.sweep()
    assert (kept.has("a"), kept.has("b"), left.exists()) == (True, True, True)
    del kept
    tomorrow = left.stat().st_mtime + MAX_AGE_S + 10
    Store(tmp_path, now=lambda: tomorrow).sweep()
    assert not files_below(tmp_path)


def test_what_one_forgets_another_that_has_it_keeps(tmp_path):
    one, other = whole(Store(tmp_path), "a", "b"), Store(tmp_path)
    assert other.has("a")
    one.forget(["a", "b"])
    assert (one.has("a"), other.has("a"), other.has("b")) == (False, True, False)
    assert other.path_of("a").read_bytes() == b"whole"
    whole(one, "a")
    other.forget(["a"])
    assert one.has("a"), "nor does whoever fetched it first take the other's"
    one.forget(["a"])
    assert not files_below(tmp_path)


def test_what_is_in_use_is_not_swept_however_long_ago_it_came(tmp_path):
    kept = whole(Store(tmp_path), "a")
    in_days = kept.path_of("a").stat().st_mtime + 3 * MAX_AGE_S
    other = Store(tmp_path, now=lambda: in_days)
    other.sweep()
    assert kept.path_of("a").read_bytes() == b"whole"
    assert other.has("a")


def test_a_process_that_is_killed_holds_nothing_and_what_it_used_stays_for_a_day_from_then(tmp_path):
    path = next(path for path in files_below(whole(Store(tmp_path), "a").folder) if "held" not in path.parts)
    os.utime(path, (0, path.stat().st_mtime - 2 * MAX_AGE_S))
    use = (
        "import os, signal, sys; from pathlib import Path; from components.data.remote.store import Store\n"
        "store = Store(Path(sys.argv[1])); assert store.has('a'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    died = subprocess.run([sys.executable, "-c", use, tmp_path], cwd=REPOSITORY)
    assert died.returncode == -signal.SIGKILL
    assert len(files_below(tmp_path)) == 2, "its link was left"
    next_run = Store(tmp_path)
    next_run.sweep()
    assert files_below(tmp_path) == [path]
    assert next_run.has("a")


def test_a_disk_without_hard_links_has_copies(tmp_path, monkeypatch):
    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("os.link", refused)
    one, other = whole(Store(tmp_path), "a"), Store(tmp_path)
    assert (other.has("a"), other.has("b")) == (True, False)
    one.forget(["a"])
    assert other.path_of("a").read_bytes() == b"whole"
    other.forget(["a"])
    assert not files_below(tmp_path)


def test_a_certificate_that_nobody_vouches_for_is_not_tried_again(tmp_path, self_signed):
    port, _ = self_signed
    fetcher = Fetcher([f"127.0.0.1:{port}"], folder=tmp_path, wait=Waits())
    failed = unfetched(fetcher, f"https://127.0.0.1:{port}/")
    assert "its certificate is not to be trusted" in failed.detail
    assert not failed.transient


def test_a_certificate_is_held_to_the_name_and_not_to_the_address(tmp_path, self_signed, monkeypatch):
    from components.data.remote import connection

    port, authority = self_signed
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    connection.trusted.cache_clear()
    try:
        fetcher = Fetcher(
            ["pictures.example", "other.example"], folder=tmp_path, wait=Waits(), resolve=lambda *_: ["127.0.0.1"]
        )
        assert fetched(fetcher, f"https://pictures.example:{port}/a.png") == b"over TLS"
        fetcher.store.forget([f"https://pictures.example:{port}/a.png"])
        assert "Hostname mismatch" in unfetched(fetcher, f"https://other.example:{port}/a.png").detail
    finally:
        connection.trusted.cache_clear()


@pytest.fixture
def self_signed(tmp_path_factory):
    """A TLS server on loopback that is pictures.example by its own word; its port, and its certificate."""
    import http.server
    import ssl
    import subprocess

    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
         "/CN=pictures.example", "-addext", "subjectAltName=DNS:pictures.example", "-keyout", folder / "key", "-out", folder / "cert"],
        check=True, capture_output=True,
    )  # fmt: skip

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "8")
            self.end_headers()
            self.wfile.write(b"over TLS")

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None: ...

    server = Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert", folder / "key")
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server.server_address[1], folder / "cert"
    server.shutdown()
    server.server_close()


def test_about_leaves_the_bytes_there(fetcher, web):
    said = fetcher.about(web.url("/a.png"))
    assert said.size_bytes == len(BODY)
    assert said.version.startswith('"')
    with pytest.raises(Unfetched, match="404"):
        fetcher.about(web.url("/none"))


def test_a_file_that_is_not_empty_is_written_anew(fetcher, web):
    file = io.BytesIO(b"what an earlier try left" * 10_000)
    fetcher.http.fetch(web.url("/a.png"), file, MOST)
    assert file.getvalue() == BODY
    assert Addresses().allow == frozenset()
