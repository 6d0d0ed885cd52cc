"""Captions that are added to samples: a table with a key and a text a row, whoever wrote them."""

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components.contracts.errors import DataError

COLUMNS = ("key", "text")


def read_extra(path: Path) -> dict[str, tuple[str, ...]]:
    """Return key -> captions of a .csv or .parquet; DataError when it is none, lacks a column or has an empty text."""
    try:
        if path.suffix == ".parquet":
            rows = pq.read_table(path, columns=list(COLUMNS), partitioning=None).to_pylist()
        elif path.suffix == ".csv":
            with path.open(encoding="utf-8", newline="") as file:
                rows = [{name: row[name] for name in COLUMNS} for row in csv.DictReader(file)]
        else:
            raise DataError(
                f"{path} is no .csv and no .parquet. Give captions as one of these, with the columns key and text."
            )
    except KeyError as err:
        raise DataError(
            f"{path} has no column {err}. Captions are rows of a key and a text; name the columns so."
        ) from err
    except (OSError, UnicodeDecodeError, csv.Error, pa.ArrowException) as err:
        raise DataError(
            f"{path} cannot be read ({err}). Give a .csv in UTF-8 or a .parquet with the columns key and text."
        ) from err
    found: dict[str, list[str]] = {}
    for number, row in enumerate(rows, 1):
        text = (row["text"] or "").strip()
        if not row["key"] or not text:
            raise DataError(f"{path}, row {number}: a key and a text are wanted, and one is empty. Take the row out.")
        found.setdefault(row["key"], []).append(text)
    return {key: tuple(dict.fromkeys(texts)) for key, texts in found.items()}


def extra_digest(extra: Mapping[str, Sequence[str]]) -> str:
    """Return 64 hex digits over captions by key, in whatever order the keys come."""
    rows = sorted((key, list(texts)) for key, texts in extra.items())
    return hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()
