"""Rows of Wukong's tables, `url,caption` in UTF-8, a line each, read one at a time: whole, or refused with a reason and the line.

Source: Gu et al. 2022, arXiv:2202.06767, and the data set's page (256 files, wukong_100m_0.csv to wukong_100m_255.csv). Differs: a row ends where
its line does, so that a quote which nobody closes costs one row and not the rest of the file.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from components.contracts.errors import DataError

TABLE = re.compile(r"wukong_100m_(?P<number>[0-9]{1,3})\.csv", re.IGNORECASE)
COLUMNS = ["url", "caption"]
MAX_LINE_BYTES = 2**16  # captions have some dozen characters, and URLs some hundred


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
    """A line that is no row.

    Args:
        line: where it stands, from 1.
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


def read_lines(path: Path) -> Iterator[WukongRow | BadLine]:
    """Yield every line behind the first.

    Raises DataError where the first names other columns, and where all lines with anything but ASCII are in another encoding: the whole
    file is. OSError when it cannot be read.
    """
    wide, wrong = 0, ""
    with path.open("rb") as file:
        head = file.readline(MAX_LINE_BYTES).removeprefix(b"\xef\xbb\xbf")
        _check_header(path, head)
        row, line = -1, 1
        while data := file.readline(MAX_LINE_BYTES):
            row, line = row + 1, line + 1
            rest = data
            while len(rest) == MAX_LINE_BYTES and not rest.endswith(b"\n"):
                rest = file.readline(MAX_LINE_BYTES)
            if rest is not data:
                yield BadLine(
                    line=line, row=row, reason="bad_row", detail=f"a line of {MAX_LINE_BYTES:,} bytes or more"
                )
                continue
            found = _row(data, row, line)
            wide += isinstance(found, WukongRow) and not data.isascii()
            if isinstance(found, BadLine) and found.reason == "bad_utf8":
                wrong = wrong or f"line {line}: {found.detail}"
            yield found
    if wrong and not wide:
        raise DataError(
            f"{path}, {wrong}. No line of this file with Chinese in it is UTF-8, so the whole file is to be converted."
        )


def _row(data: bytes, row: int, line: int) -> WukongRow | BadLine:
    try:
        text = data.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as err:
        return BadLine(
            line=line, row=row, reason="bad_utf8", detail=f"not UTF-8 at its byte {err.start}{_likely(data)}"
        )
    try:
        cells = next(csv.reader([text], strict=True), [])
    except csv.Error as err:
        return BadLine(line=line, row=row, reason="bad_row", detail=f"{err}; a caption with a comma stands in quotes")
    if len(cells) != len(COLUMNS):
        return BadLine(line=line, row=row, reason="bad_row", detail=f"{len(cells)} cells; Wukong has {len(COLUMNS)}")
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
