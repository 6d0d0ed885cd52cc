"""Captions whose letters were read in the wrong encoding once: `cafÃ©` for café. A model would learn them as words.

UTF-8 that was read as Windows-1252 or Latin-1 leaves letters which, written in that encoding, are UTF-8 again; of text that
anybody means, hardly any run of two such letters is.
"""

import re
from itertools import compress

import numpy as np
import pyarrow.compute as pc

from components.data.personal import masked
from components.validation.check import Check
from components.validation.findings import Finding
from components.validation.rows import Rows

_MAYBE = r"[^\x00-\x7f]{2}"
_RUN = re.compile(r"[^\x00-\x7f]{2,}")


class Mojibake(Check):
    """Any text of a row."""

    def find(self, rows: Rows) -> list[Finding]:
        """Return `mojibake` for every row of which a text was read so, with what it should say."""
        texts = rows.texts()
        maybe = np.asarray(pc.match_substring_regex(texts.text, _MAYBE))
        found: dict[int, Finding] = {}
        for at, text in zip(texts.owner[maybe].tolist(), compress(texts.text.to_pylist(), maybe), strict=True):
            meant = mended(text)
            if meant != text and at not in found:
                found[at] = rows.finding(at, "mojibake", f"{masked(text)!r} may be meant for {masked(meant)!r}")
        return list(found.values())


def mended(text: str) -> str:
    """Return the text with every run of letters that is UTF-8 read wrongly as what it was."""
    return _RUN.sub(lambda run: _as_meant(run[0]), text)


def _as_meant(run: str) -> str:
    try:
        return b"".join(_byte(letter) for letter in run).decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return run


def _byte(letter: str) -> bytes:
    """Return the byte that Windows-1252 has for a letter; Latin-1's for the five that it has not."""
    try:
        return letter.encode("cp1252")
    except UnicodeEncodeError:
        return letter.encode("latin-1")
