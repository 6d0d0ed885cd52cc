"""Rows of Wukong's tables, `url,caption` in UTF-8, read one at a time: whole, or refused with a reason and the line.

Source: Gu et al. 2022, arXiv:2202.06767, and the data set's page (256 files, wukong_100m_0.csv to wukong_100m_255.csv). Rows are counted as any reader
of CSV counts them, since pictures are called by the count: in quotes a caption may have line breaks, and an empty line is none.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from components.contracts.errors import DataError

TABLE = re.compile(r"wukong_100m_(?P<number>[0-9]{1,3})\.csv", re.IGNORECASE)
COLUMNS = ["url", "caption"]
MAX_LINE_BYTES = 2**16  # captions have some dozen characters, and URLs some hundred
_OPEN = ("unexpected end of data", "field larger than field limit")  # what csv says of a quote that is not closed


@dataclass(frozen=True, slots=True, kw_only=True)
class WukongRow:
    """A picture's address and what is said of it.

    Args:
        line: where it stands, from 1.
        row: its number, from 0; the picture is called by it.
        url: of the picture.
        caption: as it stands there, no character changed.
    """

    line: int
    row: int
    url: str
    caption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BadLine:
    """A row that is not whole.

    Args:
        line: where it begins, from 1.
        row: its number, from 0, for it counts as one.
        reason: a code of contracts/reasons.py.
        detail: what was found, and how to mend it.
    """

    line: int
    row: int
    reason: str
    detail: str


def number_of(path: Path) -> int | None:
    """Return the number in a table's name; None for a file that is called otherwise."""
    found = TABLE.fullmatch(path.name)
    return int(found["number"]) if found else None


def read_rows(path: Path) -> Iterator[WukongRow | BadLine]:
    """Yield every row behind the first line.

    Raises DataError where the first line names other columns; where nobody can say which row is which from some line on, because a quote is not
    closed; and where all rows with anything but ASCII are in another encoding: the whole file is. OSError when it cannot be read.
    """
    wide, wrong = 0, ""
    with path.open("rb") as file:
        _check_header(path, file.readline(MAX_LINE_BYTES).removeprefix(b"\xef\xbb\xbf"))
        lines, row = _Lines(file), -1
        reader = csv.reader(lines, strict=True)
        while True:
            lines.begin()
            try:
                cells = next(reader, None)
            except csv.Error as err:
                if str(err).startswith(_OPEN):
                    raise DataError(
                        f"{path}, line {lines.first}: a quote that begins here is closed nowhere, so nobody can say which of the pictures that follow has which "
                        "caption. Close it, or write it twice where it is part of the caption."
                    ) from None
                cells, fault = [], f"{err}; a caption with a comma stands in quotes"
            else:
                fault = f"{len(cells or [])} cells; Wukong has {len(COLUMNS)}"
            if cells is None:
                break
            if not lines.raw.strip(b"\r\n"):
                continue
            row += 1
            found = _row(lines, cells, fault, row)
            wide += isinstance(found, WukongRow) and not lines.raw.isascii()
            if isinstance(found, BadLine) and found.reason == "bad_utf8":
                wrong = wrong or f"line {lines.first}: {found.detail}"
            yield found
    if wrong and not wide:
        raise DataError(
            f"{path}, {wrong}. No line of this file with Chinese in it is UTF-8, so the whole file is to be converted."
        )


class _Lines:
    """The lines of a file, as text, with what the row that is read at present is made of.

    Attributes:
        first: the line that it begins in, from 1.
        raw: its bytes, up to MAX_LINE_BYTES of each line.
        is_long: whether a line of it was longer.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._at = file, 1
        self.begin()

    def begin(self) -> None:
        """Forget the row before."""
        self.first, self.raw, self.is_long = self._at + 1, b"", False

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        data = rest = self._file.readline(MAX_LINE_BYTES)
        if not data:
            raise StopIteration
        self._at += 1
        while len(rest) == MAX_LINE_BYTES and not rest.endswith(b"\n"):
            rest, self.is_long = self._file.readline(MAX_LINE_BYTES), True
        self.raw += data
        return data.decode("utf-8", "surrogateescape")


def _row(lines: _Lines, cells: list[str], fault: str, row: int) -> WukongRow | BadLine:
    line = lines.first
    if lines.is_long:
        return BadLine(line=line, row=row, reason="bad_row", detail=f"a line of {MAX_LINE_BYTES:,} bytes or more")
    try:
        lines.raw.decode("utf-8")
    except UnicodeDecodeError as err:
        return BadLine(
            line=line, row=row, reason="bad_utf8", detail=f"not UTF-8 at its byte {err.start}{_likely(lines.raw)}"
        )
    if len(cells) != len(COLUMNS):
        return BadLine(line=line, row=row, reason="bad_row", detail=fault)
    url, caption = cells
    return WukongRow(line=line, row=row, url=url, caption=caption)


def _likely(data: bytes) -> str:
    """Return which encoding a line is in most likely, and how to convert it."""
    try:
        shown = data.decode("gb18030").strip()
    except UnicodeDecodeError:
        return ", nor GBK; write the file again"
    return f", but GBK, where it ends in {shown[-12:]!r}; iconv -f gb18030 -t utf-8 converts it"


def _check_header(path: Path, head: bytes) -> None:
    said = head.decode("utf-8", "replace").strip()
    if [name.strip().lower() for name in said.split(",")] != COLUMNS:
        raise DataError(
            f"{path}, line 1: the columns are {said[:80]!r}, and in Wukong they are {','.join(COLUMNS)!r}. Write that line; a table with other columns is "
            "read by source: {name: table}."
        )
