"""Rows of WIT's tables, TSV or packed TSV: 17 columns, read one at a time, each whole or refused with a reason and its line.

Source: Srinivasan et al. 2021, arXiv:2103.01913, and the DATA page of google-research-datasets/wit (the columns and their order). Differs:
what a cell may be is strict, so that a table that is read and written again is the same, byte for byte: nothing is null, "" is an empty
text, and a cell stands in quotes where it has a tab, an end of line or a quote.
Memory: one row, and of a quote that nobody closes MAX_ROW_BYTES.
"""

import gzip
import re
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, fields
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

from components.contracts.errors import DataError
from components.data.sources.wit_languages import is_language

TSV = (".tsv", ".tsv.gz")
MAX_ROW_BYTES = 2**20
_LOOKED_AT = (
    10  # rows of a table whose columns are not named: one that is whole shows what it is, and the first may be none
)
_QUOTED = re.compile(rb'(?:[^"]|"")*')
_PLAIN = re.compile(rb"[^\t\r\n]*")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")
_BOOLS = {"true": True, "false": False}
Cells = list[bytes | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class WitRow:
    """What a page in one language says of one picture; the fields are the columns, in their order."""

    language: str | None
    page_url: str | None
    image_url: str | None
    page_title: str | None
    section_title: str | None
    hierarchical_section_title: str | None
    caption_reference_description: str | None
    caption_attribution_description: str | None
    caption_alt_text_description: str | None
    mime_type: str | None
    original_height: int
    original_width: int
    is_main_image: bool
    attribution_passes_lang_id: bool
    page_changed_recently: bool
    context_page_description: str | None
    context_section_description: str | None


COLUMNS = tuple(field.name for field in fields(WitRow))
_NUMBERS = ("original_height", "original_width")
_YES_OR_NO = ("is_main_image", "attribution_passes_lang_id", "page_changed_recently")


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A row that is none.

    Args:
        reason: a code of contracts/reasons.py.
        detail: what was found, and what would have been right.
    """

    reason: str
    detail: str


Numbered = tuple[int, WitRow | BadRow]
"""The line that a row begins in, from 1, and the row."""


class Unclosed(Exception):
    """A quote opens, and what follows has no end that is near enough."""


def is_table(path: Path) -> bool:
    """Return whether a file is named as WIT's tables are."""
    return path.name.lower().endswith(TSV)


def is_wit(path: Path) -> bool:
    """Return whether a file's first line names the 17 columns, or where it names none one of its first rows has them."""
    try:
        with _opened(path) as file:
            if file.readline(MAX_ROW_BYTES).rstrip(b"\r\n") == _header():
                return True
        return any(isinstance(row, WitRow) for _, row in islice(read_rows(path), _LOOKED_AT))
    except (OSError, EOFError, zlib.error, DataError):
        return False


def read_rows(path: Path) -> Iterator[Numbered]:
    """Yield every row of a table, those that are none as a BadRow. A line that names the columns is no row.

    A file that ends within its packing gives a last BadRow. Raises DataError where the first line names other columns, OSError when
    the file cannot be read.
    """
    with _opened(path) as file:
        lines = _Lines(file)
        number = 1
        try:
            while line := lines.next():
                begun = number
                cells = _cells(line, lines)
                if isinstance(cells, BadRow):
                    lines.give_back()
                number += lines.taken()
                if begun == 1 and isinstance(cells, list) and cells[0] == b"language":
                    _check_header(path, cells)
                    continue
                yield begun, cells if isinstance(cells, BadRow) else _row(cells)
        except (gzip.BadGzipFile, EOFError, zlib.error) as err:
            yield (
                number,
                BadRow(
                    reason="shard_truncated",
                    detail=f"the packed file ends or is damaged here ({err}); more may have followed",
                ),
            )


def faults_of(row: WitRow) -> BadRow | None:
    """Return why a row that can be read is no description of a picture; None where it is one."""
    if not row.image_url:
        return BadRow(reason="no_picture", detail="image_url is empty")
    if row.language is None or not is_language(row.language):
        return BadRow(reason="unknown_language", detail=f"language is {row.language!r}; codes are as in en or zh-TW")
    for name in _NUMBERS:
        if getattr(row, name) <= 0:
            return BadRow(reason="bad_cell", detail=f"{name} is {getattr(row, name)}; a picture has a pixel at least")
    if not (row.mime_type or "").startswith("image/"):
        return BadRow(
            reason="mime_refused", detail=f"mime_type is {row.mime_type!r}; that of a picture is image/jpeg or the like"
        )
    file = row.image_url.rpartition("/")[2].casefold()
    for name in COLUMNS[6:9]:
        said = getattr(row, name)
        if said and file and said.strip().replace(" ", "_").casefold() in (file, file.rpartition(".")[0]):
            return BadRow(reason="file_name_caption", detail=f"{name} is {said!r}, the name of the picture's file")
    return None


def line_of(row: WitRow) -> bytes:
    """Return a row as a table has it, with its end of line."""
    return b"\t".join(map(_cell, astuple(row))) + b"\n"


def header_line() -> bytes:
    """Return the line that names the columns, with its end."""
    return _header() + b"\n"


def _header() -> bytes:
    return "\t".join(COLUMNS).encode()


def _opened(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb")) if path.suffix.lower() == ".gz" else path.open("rb")


class _Lines:
    """Lines of a file, of which those that a row took by mistake come again."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.again, self.since, self.size = file, deque[bytes](), list[bytes](), 0

    def next(self) -> bytes:
        """Return the line that a row begins in; nothing at the end."""
        self.since = [self._line()]
        self.size = len(self.since[0])
        return self.since[0]

    def more(self) -> bytes:
        """Return the line that the row goes on in. Unclosed at the end, and where it is too long."""
        line = self._line()
        if line:
            self.since.append(line)
            self.size += len(line)
        if not line or self.size > MAX_ROW_BYTES:
            raise Unclosed
        return line

    def give_back(self) -> None:
        """Have all lines but the one that the row begins in come again: it was no row, and they may be some."""
        self.again.extendleft(reversed(self.since[1:]))
        self.since = self.since[:1]

    def taken(self) -> int:
        """Return how many lines the row has."""
        return len(self.since)

    def _line(self) -> bytes:
        if self.again:
            return self.again.popleft()
        line = rest = self.file.readline(MAX_ROW_BYTES)
        while len(rest) == MAX_ROW_BYTES and not rest.endswith(b"\n"):
            rest = self.file.readline(MAX_ROW_BYTES)
        return line


def _cells(line: bytes, lines: _Lines) -> Cells | BadRow:
    """Return the cells of a row that begins with a line, None of one without a byte; or why it is none."""
    if len(line) == MAX_ROW_BYTES:
        return BadRow(reason="bad_row", detail=f"a line of {MAX_ROW_BYTES:,} bytes or more")
    cells: Cells = []
    at = 0
    while len(cells) <= len(COLUMNS):
        if line.startswith(b'"', at):
            try:
                cell, line, at = _quoted(line, at + 1, lines.more)
            except Unclosed:
                which = COLUMNS[len(cells)] if len(cells) < len(COLUMNS) else "a column too many"
                return BadRow(reason="bad_row", detail=f"the quote that opens in {which} is not closed")
            cells.append(cell)
        else:
            found = _PLAIN.match(line, at)
            assert found is not None
            cells.append(found[0] or None)
            at = found.end()
        if line[at:] in (b"", b"\n", b"\r\n"):
            break
        if line[at : at + 1] != b"\t":
            return BadRow(
                reason="bad_row",
                detail=f"{_shown(line[at : at + 20])} follows the end of column {len(cells)}; a tab should",
            )
        at += 1
    if len(cells) != len(COLUMNS):
        many = f"{len(cells)}" if len(cells) < len(COLUMNS) else "more"
        return BadRow(reason="bad_row", detail=f"{many} columns; WIT has {len(COLUMNS)}")
    return cells


def _quoted(line: bytes, at: int, more: Callable[[], bytes]) -> tuple[bytes, bytes, int]:
    """Return the text of a cell in quotes, the line that it ends in, and where it ends there."""
    parts = []
    while True:
        found = _QUOTED.match(line, at)
        assert found is not None
        parts.append(found[0])
        if found.end() < len(line):
            return b"".join(parts).replace(b'""', b'"'), line, found.end() + 1
        line, at = more(), 0


def _row(cells: Cells) -> WitRow | BadRow:
    values: dict[str, str | int | bool | None] = {}
    for name, cell in zip(COLUMNS, cells, strict=True):
        try:
            text = None if cell is None else cell.decode("utf-8")
        except UnicodeDecodeError as err:
            return BadRow(reason="bad_utf8", detail=f"{name} is not UTF-8 at its byte {err.start}")
        if name in _NUMBERS:
            if text is None or not _NUMBER.fullmatch(text):
                return BadRow(reason="bad_cell", detail=f"{name} is {text!r}; it should be a whole number, such as 480")
            values[name] = int(text)
        elif name in _YES_OR_NO:
            if text not in _BOOLS:
                return BadRow(reason="bad_cell", detail=f"{name} is {text!r}; it should be true or false")
            values[name] = _BOOLS[text]
        else:
            values[name] = text
    return WitRow(**values)  # type: ignore[arg-type]  # each of its column's kind, by the two lists


def _cell(value: str | int | bool | None) -> bytes:
    if value is None:
        return b""
    if isinstance(value, bool):
        return b"true" if value else b"false"
    said = str(value).encode()
    if said == b"" or any(mark in said for mark in b'\t\n\r"'):
        return b'"' + said.replace(b'"', b'""') + b'"'
    return said


def _check_header(path: Path, cells: Cells) -> None:
    names = [(cell or b"").decode("utf-8", "replace") for cell in cells]
    if tuple(names) != COLUMNS:
        place = next(place for place, (name, right) in enumerate(zip(names, COLUMNS, strict=True)) if name != right)
        raise DataError(
            f"{path}, line 1: column {place + 1} is called {names[place]!r}, and in WIT it is {COLUMNS[place]!r}. Put the 17 columns in their order: "
            f"{', '.join(COLUMNS)}."
        )


def _shown(data: bytes) -> str:
    return repr(data.decode("utf-8", "backslashreplace"))
