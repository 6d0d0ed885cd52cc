"""The part of a file that came before its connection broke, and what the rest must be of to be joined to it.

Source: RFC 9110, sections 8.8 (validators), 13.1.5 (If-Range) and 14 (ranges). Differs: a Last-Modified counts as strong only
where it is a minute older than the answer, as RFC 7232 had it.
"""

import hashlib
import re
import zlib
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import BinaryIO

_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_OLD = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """What a Content-Range says.

    Args:
        first: place of the first byte.
        total: bytes of the whole; None where it does not say.
    """

    first: int
    total: int | None


class Part:
    """What is in a file so far, of which version, with its digests.

    Args:
        file: empty.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.begin()

    def begin(self, total: int | None = None, validator: str = "", promised: Mapping[str, str] | None = None) -> None:
        """Forget what came, and take a whole.

        Args:
            total: its bytes, where it is known.
            validator: names its version; empty where nothing does for sure, and what breaks is not gone on with then.
            promised: kind -> digest, of MD5 and CRC32.
        """
        self.file.seek(0)
        self.file.truncate()
        self.came, self.total, self.validator = 0, total, validator
        self.promised = dict(promised or {})
        self._md5, self._crc32 = hashlib.md5(usedforsecurity=False), 0

    @property
    def can_go_on(self) -> bool:
        """Return whether the rest alone can be asked for."""
        return bool(self.came and self.validator)

    def goes_on(self, said: str | None, validator: str) -> bool:
        """Return whether a Content-Range, of an answer with that validator, begins where this ends, in the same whole."""
        its = content_range(said)
        return (
            self.can_go_on
            and validator == self.validator
            and its is not None
            and its.first == self.came
            and (self.total is None or its.total == self.total)
        )

    def write(self, piece: bytes) -> None:
        """Take some more bytes."""
        self.file.write(piece)
        self.came += len(piece)
        if "MD5" in self.promised:
            self._md5.update(piece)
        if "CRC32" in self.promised:
            self._crc32 = zlib.crc32(piece, self._crc32)

    def digest(self, kind: str) -> str:
        """Return the MD5 of what came, in hex, or its CRC32, in base64, as S3 writes them."""
        return self._md5.hexdigest() if kind == "MD5" else b64encode(self._crc32.to_bytes(4, "big")).decode()


def content_range(said: str | None) -> Range | None:
    """Return what a Content-Range says; None where it is none, or of several ranges."""
    found = _RANGE.fullmatch(said.strip()) if said else None
    return Range(first=int(found[1]), total=None if found[3] == "*" else int(found[3])) if found else None


def strong_validator(headers: Message) -> str:
    """Return what names the version of an answer's bytes for sure: a strong ETag, else a Last-Modified that is old enough."""
    tag = headers.get("ETag", "").strip()
    if tag:
        return tag if tag.startswith('"') and tag.endswith('"') and len(tag) > 1 else ""
    changed, now = (_date(headers.get(name)) for name in ("Last-Modified", "Date"))
    old = changed is not None and now is not None and now - changed >= _OLD
    return headers.get("Last-Modified", "").strip() if old else ""


def _date(value: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(value) if value else None
    except ValueError:
        return None
