"""Files with a row a document: .jsonl, read a line at a time, and .parquet; a line that is none is a Reject, not the end."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from components.contracts.reject import Reject
from components.data.sources.arrow import PARQUET, read_rows, schema_of
from components.data.sources.by_shard import ShardEnds
from components.data.sources.document import COLUMNS, IMAGES, TEXTS, has_lists
from components.data.sources.files import files_below

LINES = ".jsonl"
FILES = (LINES, PARQUET)
MAX_LINE_BYTES = 2**27  # room for a picture's base64
_LOOKED_AT = 20  # lines, to know whether a file is one of documents

Row = tuple[str, Mapping[str, Any] | Reject]


def document_files(path: Path) -> list[tuple[str, Path]]:
    """Return (name below the folder, path) of the files that may hold documents, sorted; of a file, itself."""
    if path.is_file():
        return [(path.name, path)]
    return [(name, file) for name, file in files_below(path)[0] if file.suffix.lower() in FILES]


def holds_documents(path: Path) -> bool:
    """Return whether a file, or one in a folder, has rows with a list of texts and one of pictures."""
    return any(_is_of_documents(name, file) for name, file in document_files(path))


def rows_of(name: str, path: Path) -> Iterator[Row]:
    """Yield (file/number, columns) of each row, numbered from 1 as lines are; a Reject for a line that is none.

    Raises ShardEnds for a Parquet file that is damaged or has no such columns, OSError when the file cannot be read.
    """
    if path.suffix.lower() != PARQUET:
        yield from _lines(name, path)
        return
    names = schema_of(path).names
    if not has_lists(names):
        raise ShardEnds(f"it has no columns {' or '.join(TEXTS)} and {' or '.join(IMAGES)}, only {', '.join(names)}")
    for place, row in read_rows(path, [one for one in COLUMNS if one in names]):
        yield f"{name}/{place + 1:06d}", row


def _lines(name: str, path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        number, whole = 0, True
        while line := file.readline(MAX_LINE_BYTES):
            goes_on = not whole  # the rest of a line that was too long
            whole = line.endswith(b"\n") or len(line) < MAX_LINE_BYTES
            number += not goes_on
            if line.strip() and not goes_on:
                where = f"{name}/{number:06d}"
                yield (
                    where,
                    _object(line, where, name)
                    if whole
                    else _reject(where, name, f"longer than {MAX_LINE_BYTES:,} bytes"),
                )


def _object(line: bytes, where: str, name: str) -> Mapping[str, Any] | Reject:
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as err:
        return Reject(key=where, member=name, reason="bad_utf8", detail=f"the line is not UTF-8 ({err})")
    except (ValueError, RecursionError) as err:
        return _reject(where, name, str(err))
    return row if isinstance(row, Mapping) else _reject(where, name, f"it is {type(row).__name__}, and no object")


def _reject(where: str, name: str, why: str) -> Reject:
    return Reject(key=where, member=name, reason="bad_json", detail=f"the line is no document: {why}")


def _is_of_documents(name: str, path: Path) -> bool:
    try:
        if path.suffix.lower() == PARQUET:
            schema = schema_of(path)
            return has_lists(schema.names) and all(_is_list(schema, one) for one in (*TEXTS, *IMAGES))
        if path.suffix.lower() != LINES:
            return False
        firsts = (row for (_, row), _ in zip(_lines(name, path), range(_LOOKED_AT), strict=False))
        return any(
            any(isinstance(row.get(one), list) for one in TEXTS)
            and any(isinstance(row.get(one), list) for one in IMAGES)
            for row in firsts
            if not isinstance(row, Reject)
        )
    except (ShardEnds, OSError):
        return False


def _is_list(schema: pa.Schema, name: str) -> bool:
    """Return whether a column is of lists, and those of texts hold texts; one that is not there is no hindrance."""
    if name not in schema.names:
        return True
    kind = schema.field(name).type
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        return False
    inner = kind.value_type
    return name not in TEXTS or pa.types.is_string(inner) or pa.types.is_large_string(inner)
