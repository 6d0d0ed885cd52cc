"""Where notices arrive, for real and on loopback: a web server, a mail server that wants a password, and Slack's host behind a proxy."""

import base64
import json
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.header import decode_header, make_header
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

USER, PASSWORD = "me", "planted-mail-password"


@dataclass
class Receiver:
    """What came: title, text and where it was sent to; anything is refused while `refuses` is set."""

    port: int = 0
    got: list[tuple[str, str, str]] = field(default_factory=list)
    refuses: bool = False


@contextmanager
def web() -> Iterator[Receiver]:
    """Take JSON, as Apprise sends it."""
    receiver = Receiver()

    class Handler(_Posted):
        def took(self, said: dict[str, str]) -> None:
            receiver.got.append((said["title"], said["message"], self.path))

    Handler.receiver = receiver
    with _serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler), receiver):
        yield receiver


@contextmanager
def mail() -> Iterator[Receiver]:
    """Speak as much SMTP as a client needs to log in and to send."""
    receiver = Receiver()

    class Handler(socketserver.StreamRequestHandler):
        def say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

        def handle(self) -> None:
            self.say("220 ready")
            known, to = False, ""
            while line := self.rfile.readline().decode().strip():
                word = line.split()[0].upper()
                if word == "EHLO":
                    self.say("250-here\r\n250 AUTH PLAIN")
                elif word == "AUTH":
                    given = base64.b64decode(line.split()[2]).decode().split("\0")
                    known = given[1:] == [USER, PASSWORD] and not receiver.refuses
                    self.say("235 welcome" if known else "535 no")
                elif word == "RCPT":
                    to = line.partition(":")[2].strip(" <>")
                    self.say("250 ok" if known else "530 who are you")
                elif word == "DATA":
                    self.say("354 go on")
                    self.took(to)
                    self.say("250 taken")
                else:
                    self.say("221 bye" if word == "QUIT" else "250 ok")

        def took(self, to: str) -> None:
            lines = []
            while (line := self.rfile.readline()) != b".\r\n":
                lines.append(line)
            message = message_from_bytes(b"".join(lines), policy=default)
            text = message.get_body(("plain", "html"))
            receiver.got.append((str(make_header(decode_header(message["Subject"]))), text.get_content(), to))

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with _serving(Server(("127.0.0.1", 0), Handler), receiver):
        yield receiver


@contextmanager
def slack(folder: Path) -> Iterator[tuple[Receiver, dict[str, str]]]:
    """Stand in for hooks.slack.com as a proxy that ends TLS; yield with the variables of whoever is to find it."""
    receiver = Receiver()
    authority, pair = _certified(folder, "hooks.slack.com")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)

    class Handler(_Posted):
        def do_CONNECT(self) -> None:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            self.connection = context.wrap_socket(self.connection, server_side=True)
            self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", buffering=0)
            self.close_connection = False

        def took(self, said: dict[str, object]) -> None:
            (shown,) = said["attachments"]
            receiver.got.append((shown["title"], shown["text"], self.headers["Host"] + self.path))

    Handler.receiver = receiver
    with _serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler), receiver):
        proxy = f"http://127.0.0.1:{receiver.port}"
        yield receiver, {"HTTPS_PROXY": proxy, "REQUESTS_CA_BUNDLE": str(authority), "NO_PROXY": "127.0.0.1,localhost"}


class _Posted(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    receiver: Receiver

    def log_message(self, *_: object) -> None: ...

    def took(self, said: dict) -> None:
        raise NotImplementedError

    def do_POST(self) -> None:
        said = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.receiver.refuses:
            self.took(json.loads(said))
        self.send_response(403 if self.receiver.refuses else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")


@contextmanager
def _serving(server: socketserver.BaseServer, receiver: Receiver) -> Iterator[None]:
    receiver.port = server.server_address[1]
    with server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()


def _certified(folder: Path, host: str) -> tuple[Path, Path]:
    """Write a certificate for a host that signs itself; return the file to trust, and the one with its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False).sign(key, hashes.SHA256())
    )  # fmt: skip
    trusted, pair = folder / "trusted.pem", folder / "pair.pem"
    certificate = made.public_bytes(serialization.Encoding.PEM)
    trusted.write_bytes(certificate)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pair.write_bytes(private + certificate)
    return trusted, pair
