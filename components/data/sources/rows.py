"""Rows of a table that a person made: csv, tsv, jsonl or parquet, with the line of each, so that errors can name it."""

import csv
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from components.contracts.errors import DataError

TABLES = (".csv", ".tsv", ".jsonl", ".parquet")
TABLE_NAMES = ("captions", "metadata")  # of a table that is found in a folder without being told
_DELIMITERS = (",", ";", "\t")  # spreadsheets write the second where a comma marks decimals
_LINES_FOR_NAMES = 100  # of jsonl, in which every line may have other names


def is_table(path: Path) -> bool:
    """Return whether the file's name is that of a table we read."""
    return path.suffix.lower() in TABLES


def table_in(folder: Path) -> Path | None:
    """Return the table that a folder is described by, if it has one. DataError when it has several."""
    tables = [folder / (name + suffix) for name in TABLE_NAMES for suffix in TABLES]
    there = [path for path in tables if path.is_file()]
    if len(there) > 1:
        raise DataError(
            f"{folder} has {' and '.join(path.name for path in there)}, and both could be meant. Name one: "
            f"`diptych run --data {there[0]}`."
        )
    return there[0] if there else None


def column_names(path: Path) -> list[str]:
    """Return the names of the columns, in order. DataError when the file is no such table."""
    if path.suffix.lower() == ".parquet":
        return list(_parquet(path).schema_arrow.names)
    if path.suffix.lower() == ".jsonl":
        firsts = (row for (_, row), _ in zip(_json_lines(path), range(_LINES_FOR_NAMES), strict=False))
        return list(dict.fromkeys(name for row in firsts for name in row))
    return _header(path)[0]


def read_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield ("line 7" or "row 7", column -> value). DataError, naming the line, for what cannot be read."""
    if path.suffix.lower() == ".parquet":
        return _parquet_rows(path)
    return _json_lines(path) if path.suffix.lower() == ".jsonl" else _separated(path)


def _header(path: Path) -> tuple[list[str], str]:
    """Return the columns of a csv or tsv, and what stands between them."""
    with _text(path) as lines:
        first = _decoded(path, lines)
    if not first.strip():
        raise DataError(f"{path} is empty. Its first line must name the columns, such as `image,caption`.")
    delimiters = ("\t",) if path.suffix.lower() == ".tsv" else _DELIMITERS
    delimiter = max(delimiters, key=lambda one: (len(next(csv.reader([first], delimiter=one))), -delimiters.index(one)))
    names = [name.strip() for name in next(csv.reader([first.rstrip("\r\n")], delimiter=delimiter))]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(
            f"{path} has the column {twice[0]!r} twice, so nobody knows which is meant. Rename one of them."
        )
    return names, delimiter


def _separated(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    names, delimiter = _header(path)
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    with _text(path) as lines:
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        try:
            next(reader)
            for cells in reader:
                if not any(cell.strip() for cell in cells):
                    continue
                if len(cells) != len(names):
                    raise DataError(
                        f"{path}, line {reader.line_num}: {len(cells)} cells, but the first line names {len(names)} columns. "
                        f'A text with {delimiter!r} in it must stand in quotes: "a cat{delimiter} asleep".'
                    )
                yield f"line {reader.line_num}", dict(zip(names, cells, strict=True))
        except csv.Error as err:
            raise DataError(
                f"{path}, line {reader.line_num}: {err}. Mend that line, or write the table again with a tool."
            ) from err
        except UnicodeDecodeError as err:
            raise _no_utf8(path) from err


def _json_lines(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    with _text(path) as lines:
        try:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except ValueError as err:
                    raise DataError(f"{path}, line {number}: no JSON ({err}). Write one object a line.") from err
                if not isinstance(row, dict):
                    raise DataError(
                        f'{path}, line {number}: no object. Write {{"image": "a.jpg", "caption": "a cat"}}, one a line.'
                    )
                yield f"line {number}", row
        except UnicodeDecodeError as err:
            raise _no_utf8(path) from err


def _parquet_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    number = 0
    for batch in _parquet(path).iter_batches(batch_size=4096):
        for row in batch.to_pylist():
            number += 1
            yield f"row {number}", row


def _parquet(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as err:
        raise DataError(f"{path} cannot be read as Parquet ({err}). Write it again.") from err


def _text(path: Path) -> Any:
    try:
        return path.open(encoding="utf-8-sig", newline="")
    except OSError as err:
        raise DataError(f"{path} cannot be opened ({err.strerror}). Give a table that you may read.") from err


def _decoded(path: Path, lines: Iterator[str]) -> str:
    try:
        return next(lines, "")
    except UnicodeDecodeError as err:
        raise _no_utf8(path) from err


def _no_utf8(path: Path) -> DataError:
    return DataError(
        f"{path} is not UTF-8, so its letters would come out wrong. Save it as UTF-8: `iconv -f latin1 -t utf-8`, or "
        "`CSV UTF-8` in a spreadsheet."
    )


def texts_of(value: Any) -> Sequence[str]:
    """Return what a cell says: one text, or each of a list; nothing for an empty cell."""
    if value is None or (isinstance(value, float) and value != value):
        return ()
    values = value if isinstance(value, (list, tuple)) else (value,)
    return tuple(cleaned(str(one)) for one in values if one is not None and cleaned(str(one)))


def cleaned(text: str) -> str:
    """Return a text without white space around it, and without halves of characters, which no file can hold."""
    return text.encode("utf-8", "replace").decode("utf-8").strip()
