"""One URL over http or https: redirects checked one by one, faults that pass tried again, bytes whole or not at all.

After a body that breaks only the rest is asked for, of servers that can tell the version of what they send.
"""

import re
import string
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import BinaryIO
from urllib.parse import quote, urljoin

from components.data.remote.addresses import Addresses, Target
from components.data.remote.connection import Answer, asked
from components.data.remote.part import Part, strong_validator
from components.data.remote.turns import Turns
from components.data.remote.unfetched import Unfetched

MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_MEANINGS = {
    401: "it wants a password",
    403: "it may not be read",
    404: "it is not there",
    410: "it is gone",
    429: "it was asked too often",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a server says of a URL's bytes.

    Args:
        size_bytes: None where it does not say.
        version: ETag, else Last-Modified; the empty string where it says neither.
    """

    size_bytes: int | None
    version: str


class Http:
    """Fetches URLs; one for all threads.

    Args:
        addresses: what may be asked.
        turns: how often.
        stop: set when nothing more is wanted; what is under way is cut off.
    """

    def __init__(self, addresses: Addresses, turns: Turns, stop: threading.Event) -> None:
        self.addresses, self.turns, self.stop = addresses, turns, stop

    def fetch(self, url: str, file: BinaryIO, most_bytes: int) -> Said:
        """Write the bytes of a URL into an empty file, at most so many. Raises Unfetched, and what is in the file is void then."""
        part = Part(file)

        def attempt() -> Said:
            rest = {"Range": f"bytes={part.came}-", "If-Range": part.validator} if part.can_go_on else {}
            with self._answer(url, rest) as answer:
                return written(answer, part, most_bytes)

        return self.turns.tried(attempt)

    def about(self, url: str) -> Said:
        """Return what the server says of a URL; its bytes are left there. Raises Unfetched."""

        def attempt() -> Said:
            with self._answer(url, {}) as answer:
                return said(answer)

        return self.turns.tried(attempt)

    @contextmanager
    def _answer(self, url: str, headers: Mapping[str, str]) -> Iterator[Answer]:
        """Yield the answer at the end of all redirects, where it is good; with a Range among the headers, a part is."""
        for _ in range(MAX_REDIRECTS + 1):
            target = self.addresses.target(url)
            host = f"{target.host}:{target.port}"
            with self.turns.of(host), asked(target, self.turns.patience, self.stop, headers) as answer:
                if answer.status in _REDIRECTS and answer.headers.get("Location"):
                    url = led_to(url, answer.headers["Location"])
                    continue
                self._check(answer, host, (200, 206, 416) if headers else (200,))
                check_plain(answer, target)
                yield answer
                return
        raise Unfetched("fetch_failed", f"it leads on and on, by more than {MAX_REDIRECTS} redirects")

    def _check(self, answer: Answer, host: str, good: Collection[int]) -> None:
        if answer.status not in good:
            passing = answer.status in PASSING
            after_s = retry_after(answer.headers.get("Retry-After"), datetime.now(UTC)) if passing else None
            if after_s:
                self.turns.leave_alone(host, after_s)
            means = f" ({_MEANINGS[answer.status]})" if answer.status in _MEANINGS else ""
            raise Unfetched(
                "fetch_failed", f"{host} answered {answer.status}{means}", transient=passing, after_s=after_s
            )


def led_to(url: str, location: str) -> str:
    """Return the URL that a redirect leads to, its letters and blanks as browsers take them. Raises Unfetched where it is none.

    Args:
        location: as http.client has headers, a letter a byte.
    """
    try:
        read = location.encode("latin-1").decode()
    except UnicodeError:  # bytes of another kind of text, which stay as they are
        read = quote(location, safe=string.punctuation, encoding="latin-1", errors="replace")
    try:
        return urljoin(url, read.strip().replace(" ", "%20"))
    except ValueError as err:  # its own words may have a password in them
        raise Unfetched("address_refused", "it leads to what is no URL") from err


def check_plain(answer: Answer, target: Target) -> None:
    """Raise Unfetched where the bytes come packed, though they were asked for as they lie there.

    Of a file that is packed itself, many servers say that in these words, and send it as it is.
    """
    packed = answer.headers.get("Content-Encoding", "identity").strip().lower()
    lies_packed = target.resource.partition("?")[0].lower().endswith((".gz", ".tgz")) and packed in ("gzip", "x-gzip")
    if packed not in ("", "identity") and not lies_packed:
        detail = f"{target.host}:{target.port} sent it packed ({packed[:20]!r}), though plain bytes were asked for"
        raise Unfetched("fetch_failed", detail)


def written(answer: Answer, part: Part, most_bytes: int) -> Said:
    """Write the body, or the rest of it, and return what was said of it. Raises Unfetched when it is too large or not whole."""
    validator = strong_validator(answer.headers)
    if answer.status == 200:
        resumes = answer.headers.get("Accept-Ranges", "").strip().lower() != "none"
        part.begin(answer.size_bytes, validator if resumes else "")
    elif answer.status != 206 or not part.goes_on(answer.headers.get("Content-Range"), validator):
        part.begin()  # the next try asks for all
        detail = "the rest that it sent is of another version, or another part, than was asked for"
        raise Unfetched("fetch_failed", detail, transient=True)
    size = answer.size_bytes
    if size is not None and part.came + size > most_bytes:
        raise Unfetched("no_picture", f"{part.came + size:,} bytes; at most {most_bytes:,} are read")
    for piece in answer.pieces():
        if part.came + len(piece) > most_bytes:
            raise Unfetched("no_picture", f"more than {most_bytes:,} bytes; at most so many are read")
        part.write(piece)
    if part.total is not None and part.came != part.total:
        raise Unfetched("fetch_failed", f"only {part.came:,} of {part.total:,} bytes came", transient=True)
    return Said(size_bytes=part.came, version=said(answer).version)


def said(answer: Answer) -> Said:
    """Return size and version as the headers have them."""
    version = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
    return Said(size_bytes=answer.size_bytes, version=version.strip())


def retry_after(value: str | None, now: datetime) -> float | None:
    """Return the seconds that a Retry-After asks for: a number of them, or a date; None where it says neither."""
    if value is None:
        return None
    if re.fullmatch(r"\d{1,9}", value.strip()):
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, ((until if until.tzinfo else until.replace(tzinfo=UTC)) - now).total_seconds())
