"""Which URLs are asked, and at which addresses: none on this machine or its network, unless params.yaml names the host.

A name is looked up once, all its addresses are checked, and the connection goes to one of those that were: a name that
leads elsewhere the next time it is looked up (DNS rebinding) gains nothing. Every redirect goes the same way again.
"""

import hashlib
import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import quote, urlsplit

from components.contracts.errors import ConfigError
from components.data.remote.unfetched import Unfetched

PORTS = {"http": 80, "https": 443}
REMOTE = re.compile(r"(?:https?|s3)://", re.IGNORECASE)
_HOST = re.compile(r"(?:s3://)?[A-Za-z0-9._-]+(?::\d{1,5})?|\[[0-9A-Fa-f:.]+\](?::\d{1,5})?")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # an IPv4 address in its last 32 bits
_UNSAFE = re.compile(r"[\x00-\x20\x7f]")
_KEPT_IN_PATHS = "/%:@!$&'()*+,;=~?"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where one request goes.

    Args:
        secure: whether it is https.
        host: name for the Host header and the certificate, as DNS has it (IDNA).
        port: of the server.
        addresses: those that were checked, as the system prefers them.
        resource: path and query.
    """

    secure: bool
    host: str
    port: int
    addresses: tuple[str, ...]
    resource: str


def resolved(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a name, as the system looks it up. OSError when it has none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


class Addresses:
    """What may be asked.

    Args:
        allow: hosts, as `name` (any port) or `name:port`, names as DNS has them, that are asked whatever their address.
        resolve: looks a name up.
    """

    def __init__(self, allow: Sequence[str] = (), resolve: Resolve = resolved) -> None:
        self.allow, self.resolve = frozenset(host.lower() for host in allow), resolve

    def target(self, url: str) -> Target:
        """Return where the request for an http or https URL goes. Raises Unfetched when it may not, or the name has no address."""
        try:
            parts = urlsplit(url)
            scheme, host, given = parts.scheme.lower(), parts.hostname, parts.port
        except ValueError as err:  # its own words may have a password in them
            raise Unfetched("address_refused", "it is no URL: host or port are none") from err
        if scheme not in PORTS:
            raise Unfetched("address_refused", f"{scheme or 'no scheme'}: is not fetched, only http and https")
        if not host or _UNSAFE.search(url):
            raise Unfetched("address_refused", "it is no URL: it names no host, or has blanks in it")
        if "@" in parts.netloc:
            raise Unfetched("address_refused", "it names a user; passwords do not belong into data")
        port = given or PORTS[scheme]
        try:
            host = host if host.isascii() else host.encode("idna").decode()
        except UnicodeError as err:
            raise _no_name(host, err) from err
        allowed = not self.allow.isdisjoint({host, f"{host}:{port}", f"[{host}]:{port}", f"[{host}]"})
        return Target(
            secure=scheme == "https", host=host, port=port, addresses=tuple(self._checked(host, port, allowed)),
            resource=quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_KEPT_IN_PATHS),
        )  # fmt: skip

    def _checked(self, host: str, port: int, allowed: bool) -> Sequence[str]:
        try:
            found = self.resolve(host, port)
        except UnicodeError as err:
            raise _no_name(host, err) from err
        except OSError as err:
            transient = err.errno == socket.EAI_AGAIN
            raise Unfetched("fetch_failed", f"the name {host} has no address ({err})", transient=transient) from err
        for address in () if allowed else found:
            if (why := not_public(address)) is not None:
                raise Unfetched(
                    "address_refused",
                    f"{host} is {address}, {why}, and data must not reach into this network. If it is meant: source: "
                    f"{{allow_hosts: ['{host}:{port}']}}, or diptych data check --allow-host {host}:{port}",
                )
        return found


def _no_name(host: str, err: UnicodeError) -> Unfetched:
    """Return why a host is not even looked up: a label of it is one that no name can have."""
    return Unfetched("address_refused", f"it is no URL: {host} is no name of a host ({err})")


def not_public(address: str) -> str | None:
    """Return what kind of address it is where it is none of the public internet, such as "a loopback address"; else None."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if (inner := _inner(ip)) is not None:
        return not_public(str(inner))
    for kind, its in (
        ("a loopback", ip.is_loopback),
        ("a link-local", ip.is_link_local),
        ("a multicast", ip.is_multicast),
        ("an unspecified", ip.is_unspecified),
        ("a site-local", isinstance(ip, ipaddress.IPv6Address) and ip.is_site_local),
        ("a reserved", ip.is_reserved),
        ("a private or reserved", not ip.is_global),
    ):
        if its:
            return f"{kind} address"
    return None


def _inner(ip: Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 one stands for, whichever way it is written."""
    if isinstance(ip, ipaddress.IPv4Address):
        return None
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)


def name_of(url: str) -> str:
    """Return a URL as people may read it: without user, password and query, which may sign for somebody.

    URLs that differ in these keep different names: eight hex digits of their sha256, and the path's suffix after them. A key of
    S3 has no query, and may have ? and # in it.
    """
    if url.lower().startswith("s3://") and "@" not in url[len("s3://") :].partition("/")[0]:
        return url
    try:
        parts = urlsplit(url)
    except ValueError:  # it is asked for in vain, and has a name all the same
        return url.partition("?")[0].rpartition("@")[2]
    user, _, host = parts.netloc.rpartition("@")
    bare = f"{parts.scheme}://{host}{parts.path}"
    if not (user or parts.query):
        return bare
    secret = hashlib.sha256(f"{user}?{parts.query}".encode()).hexdigest()[:8]
    return f"{bare}?{secret}{PurePosixPath(parts.path).suffix}"


def checked_hosts(allow_hosts: Sequence[str] | None) -> tuple[str, ...]:
    """Return `source.allow_hosts`; ConfigError unless it is a list of hosts, of host:port, or of s3://bucket."""
    hosts = () if allow_hosts is None else allow_hosts
    if isinstance(hosts, str) or not all(isinstance(one, str) and _HOST.fullmatch(one) for one in hosts):
        raise ConfigError(
            f"source.allow_hosts is {allow_hosts!r}. Give a list of hosts, each with its port, such as ['10.0.0.7:8080'], or of "
            "buckets, such as ['s3://pictures']."
        )
    return tuple(hosts)
